//! Names of fields, variables and headers that say that their value is a secret.

/// How sure a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Whatever the value is, it is secret.
    Surely,
    /// It is, if it looks like one: `token` and `secret` also name other things.
    Perhaps,
}

/// What makes a name sure, wherever in it.
const SURELY: [&str; 30] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "accountkey",
    "authkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "sharedkey",
    "licensekey",
    "sessionkey",
    "clientsecret",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "idtoken",
    "bearertoken",
    "apitoken",
    "sessiontoken",
    "bottoken",
    "connectionstring",
    "secretid",
    "sessionid",
    "csrftoken",
    "setcookie",
];
/// What makes a name perhaps one, at its end.
const PERHAPS: [&str; 4] = ["token", "secret", "credential", "credentials"];
/// Last words of names that tell something about a secret.
const ABOUT: [&str; 34] = [
    "name",
    "names",
    "file",
    "path",
    "type",
    "count",
    "ref",
    "expires",
    "expiry",
    "expiration",
    "ttl",
    "length",
    "len",
    "policy",
    "url",
    "uri",
    "endpoint",
    "issuer",
    "version",
    "manager",
    "rotation",
    "age",
    "min",
    "max",
    "limit",
    "id",
    "enabled",
    "required",
    "provider",
    "class",
    "at",
    "field",
    "header",
    "status",
];

/// What a name says of its value.
pub(super) fn says(name: &str) -> Option<Says> {
    let words = words(name);
    let last = words.last()?.as_str();
    let joined: String = words.concat();
    if matches!(
        joined.as_str(),
        "secretid" | "sessionid" | "pwd" | "authorization" | "proxyauthorization" | "cookie"
    ) {
        return Some(Says::Surely);
    }
    if ABOUT.contains(&last) {
        return None;
    }
    let pass = 1 < words.len() && matches!(last, "pass" | "pw");
    if SURELY.iter().any(|part| joined.contains(part)) || joined.ends_with("pwd") || pass {
        return Some(Says::Surely);
    }
    let perhaps =
        PERHAPS.iter().any(|part| joined.ends_with(part)) || matches!(last, "signature" | "sig" | "auth");
    perhaps.then_some(Says::Perhaps)
}

/// The words of a name: `dbPassword`, `DB_PASSWORD` and `db-password` are two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (lower && c.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Values that hide nothing: absent, already hidden, or a reference to where the secret is.
pub(super) fn hides_nothing(value: &str) -> bool {
    const ABSENT: [&str; 10] =
        ["null", "none", "nil", "true", "false", "undefined", "redacted", "(null)", "yes", "no"];
    let plain = value.trim();
    let reference = plain.strip_prefix('$').is_some_and(|rest| {
        rest.starts_with(['{', '(']) || rest.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    });
    plain.is_empty()
        || reference
        || plain.starts_with("[redacted")
        || plain.starts_with("{{")
        || plain.starts_with('<')
        || matches!(plain, "%s" | "%v" | "%q" | "{}")
        || plain.chars().all(|c| matches!(c, '*' | '.' | '-' | '_' | 'x' | 'X' | '•'))
        || ABSENT.iter().any(|word| plain.eq_ignore_ascii_case(word))
}

/// Whether a value may be a secret by its looks: letters with digits, or with signs that words do not have.
pub(super) fn looks_secret(value: &str) -> bool {
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let letter = value.bytes().any(|b| b.is_ascii_alphabetic());
    let sign = value.bytes().any(|b| b"!@#$%^&*+=~".contains(&b));
    6 <= value.len() && letter && (digit || sign) && !is_uuid(value)
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(value: &str) -> bool {
    let lengths =
        value.split('-').map(|part| if part.bytes().all(|b| b.is_ascii_hexdigit()) { part.len() } else { 0 });
    value.len() == 36 && lengths.eq([8, 4, 4, 4, 12])
}

/// Whether a value is a random string rather than a name: it changes between capitals, small letters and digits as
/// often as chance does.
pub(super) fn is_random(value: &str) -> bool {
    let class = |b: &u8| match b {
        b'A'..=b'Z' => Some(0),
        b'a'..=b'z' => Some(1),
        b'0'..=b'9' => Some(2),
        _ => None,
    };
    let allowed = |b: &u8| class(b).is_some() || b"+/_=-.".contains(b);
    let bytes = value.as_bytes();
    if !(20..=512).contains(&bytes.len()) || !bytes.iter().all(allowed) || is_uuid(value) {
        return false;
    }
    let classes: Vec<u8> = bytes.iter().filter_map(class).collect();
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let of = |wanted: u8| classes.iter().filter(|class| **class == wanted).count();
    let mixed = 1 <= of(0) && 1 <= of(1) && 1 <= of(2) && 35 * classes.len() <= 100 * changes;
    let one_case = !value.contains(['-', '.', '/'])
        && 3 <= of(2)
        && 3 <= of(0) + of(1)
        && 20 * classes.len() <= 100 * changes;
    mixed || (one_case && (of(0) == 0 || of(1) == 0) && !bytes.iter().all(u8::is_ascii_hexdigit))
}
