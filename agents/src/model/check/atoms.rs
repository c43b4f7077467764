//! A text as the tokens that can be compared: numbers joined with their units, words of numbers as digits, letters
//! folded; a statement also says the parts of what it names, and of its times.

/// What separates tokens, besides white space.
const BETWEEN: &str = "=,;()[]{}\"“”‘’<>|!?";
/// What does not belong to a token at its ends.
const EDGES: &str = ".:'–—…,";

/// Ends of one name that are compared.
const PARTS: usize = 8;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Atom {
    /// As in the text.
    pub(super) written: String,
    /// As it is compared.
    pub(super) folded: String,
    /// Whether a sentence begins with it.
    pub(super) begins: bool,
}

/// The tokens of a sentence.
pub(super) fn of(text: &str) -> Vec<Atom> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut begins = true;
    for raw in text.split(|c: char| c.is_whitespace() || BETWEEN.contains(c)) {
        let written = raw.trim_matches(|c| EDGES.contains(c));
        let written = written.strip_suffix("'s").unwrap_or(written);
        if !written.is_empty() {
            let folded = fold(written);
            match atoms.last_mut().filter(|last| !last.folded.is_empty() && is_number(&last.folded)) {
                Some(number) if unit(&folded).is_some() => {
                    number.written = format!("{} {written}", number.written);
                    number.folded.push_str(unit(&folded).unwrap_or_default());
                }
                _ => atoms.push(Atom { written: written.to_owned(), folded, begins }),
            }
            begins = false;
        }
        if raw.ends_with(['.', '!', '?']) {
            begins = true;
        }
    }
    atoms
}

/// What a statement says: its tokens, the parts of names with separators, and its times without their dates.
pub(super) fn said(statement: &str) -> Vec<String> {
    let mut said = Vec::new();
    for Atom { folded, .. } in of(statement) {
        if let Some((date, time)) = instant(&folded) {
            said.extend([date.to_owned(), time.to_owned()]);
            said.extend([5, 8].iter().filter_map(|length| time.get(..*length)).map(str::to_owned));
        } else if folded.chars().any(char::is_alphabetic) {
            // Not at `-` and `.`: part of such a name is another name.
            let separators = ['/', ':', '@', '#'];
            let lettered = |part: &&str| part.chars().any(char::is_alphabetic);
            said.extend(folded.split(separators).filter(lettered).map(str::to_owned));
            let ends = folded.match_indices(separators).filter_map(|(at, _)| folded.get(at + 1..));
            said.extend(ends.filter(lettered).take(PARTS).map(str::to_owned));
        } else if let Some(short) = folded.get(..5).filter(|_| is_clock(&folded)) {
            said.push(short.to_owned());
        }
        said.push(folded);
    }
    said
}

/// Whether a word says how many without a digit.
pub(super) fn counts(folded: &str) -> bool {
    const COUNTS: [&str; 13] = [
        "dozen",
        "dozens",
        "hundred",
        "hundreds",
        "thousand",
        "thousands",
        "million",
        "millions",
        "twice",
        "double",
        "doubled",
        "half",
        "tripled",
    ];
    COUNTS.contains(&folded)
}

fn fold(written: &str) -> String {
    const WORDS: [(&str, &str); 20] = [
        ("zero", "0"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("ten", "10"),
        ("eleven", "11"),
        ("twelve", "12"),
        ("thirteen", "13"),
        ("fourteen", "14"),
        ("fifteen", "15"),
        ("twenty", "20"),
        ("thirty", "30"),
        ("forty", "40"),
        ("fifty", "50"),
        ("sixty", "60"),
    ];
    let lower = written.to_lowercase();
    if let Some((_, digits)) = WORDS.iter().find(|(word, _)| *word == lower) {
        return (*digits).to_owned();
    }
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, rest) = lower.split_at(digits);
    match unit(rest) {
        Some(unit) if is_number(number) => format!("{number}{unit}"),
        _ => lower,
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    8 <= bytes.len() && bytes[2] == b':' && bytes[5] == b':'
}

/// A unit, whichever way it is written.
fn unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "ms" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "second" | "seconds" => "s",
        "m" | "min" | "minute" | "minutes" => "m",
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "%" | "percent" => "%",
        "b" | "byte" | "bytes" => "b",
        "kb" => "kb",
        "mb" => "mb",
        "gb" => "gb",
        "ki" | "kib" => "kib",
        "mi" | "mib" => "mib",
        "gi" | "gib" => "gib",
        _ => return None,
    })
}

/// Date and time of an instant such as `2026-11-26t14:02:11.000z`.
fn instant(folded: &str) -> Option<(&str, &str)> {
    let (date, time) = folded.split_once('t')?;
    let digits = |text: &str, signs: &str| text.chars().all(|c| c.is_ascii_digit() || signs.contains(c));
    let dated = date.len() == 10 && digits(date, "-");
    (dated && 5 <= time.len() && digits(time, ":.z+-")).then_some((date, time))
}
