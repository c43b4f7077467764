//! One curve as a small picture: events for each processor second, and bytes for each live event below it.

use super::{Axis, Point};

/// Size of a picture and of the panels in it, in pixels.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 105.0;
/// Where the panels begin.
const TOPS: [f64; 2] = [30.0, 165.0];

/// The picture of an axis; the vertical axes begin at zero.
pub fn svg(axis: &Axis, points: &[Point]) -> String {
    let panels: [(&str, &str, Vec<f64>); 2] = [
        ("events for each processor second", "#1f5fa8", points.iter().map(Point::per_processor_s).collect()),
        ("resident bytes for each live event", "#a8481f", points.iter().map(Point::bytes_per_live).collect()),
    ];
    let places = places(axis, points);
    let mut body = String::new();
    for ((title, color, figures), top) in panels.iter().zip(TOPS) {
        body += &panel((title, color), &places, figures, top);
    }
    for (place, point) in places.iter().zip(points) {
        let label = grouped(point.value);
        body += &text((*place, TOPS[1] + PANEL + 16.0), "middle", &label);
    }
    body += &text((LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 12.0), "middle", axis.title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Where the points are from left to right.
fn places(axis: &Axis, points: &[Point]) -> Vec<f64> {
    let scale = |value: u64| if axis.logarithmic { (value.max(1) as f64).log10() } else { value as f64 };
    let scaled: Vec<f64> = points.iter().map(|point| scale(point.value)).collect();
    let (least, most) =
        (scaled.iter().copied().fold(f64::MAX, f64::min), scaled.iter().copied().fold(f64::MIN, f64::max));
    let width = WIDTH - LEFT - RIGHT - 20.0;
    scaled.iter().map(|value| LEFT + 10.0 + width * (value - least) / (most - least).max(1e-9)).collect()
}

fn panel((title, color): (&str, &str), places: &[f64], figures: &[f64], top: f64) -> String {
    let most = figures.iter().copied().fold(0.0, f64::max).max(1.0) * 1.1;
    let height = |figure: f64| top + PANEL * (1.0 - figure / most);
    let bottom = top + PANEL;
    let mut drawn = text((LEFT, top - 8.0), "start", title);
    drawn +=
        &format!("<path d=\"M{LEFT} {top}V{bottom}H{:.0}\" fill=\"none\" stroke=\"#888\"/>\n", WIDTH - RIGHT);
    drawn += &text((LEFT - 6.0, bottom), "end", "0");
    drawn += &text((LEFT - 6.0, top + 8.0), "end", &grouped(most as u64));
    let line: Vec<String> = places
        .iter()
        .zip(figures)
        .map(|(place, figure)| format!("{place:.1},{:.1}", height(*figure)))
        .collect();
    drawn += &format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>\n",
        line.join(" ")
    );
    for (place, figure) in places.iter().zip(figures) {
        let y = height(*figure);
        drawn += &format!("<circle cx=\"{place:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>\n");
        drawn += &text((*place, y - 6.0), "middle", &grouped(*figure as u64));
    }
    drawn
}

fn text((x, y): (f64, f64), anchor: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
}

/// A number with commas.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::AXES;

    #[test]
    fn a_picture_names_its_points() {
        let point = |value| Point {
            value,
            events: 1_000,
            live: 100,
            wall_s: 1.0,
            cpu_s: 0.5,
            bytes: 12_300,
            links: 0,
            chains: 0,
        };
        let picture = svg(&AXES[0], &[point(1), point(10_000)]);
        for words in ["10,000", "2,000", "123", "tenants"] {
            assert!(picture.contains(&format!(">{words}<")), "{words} is not in {picture}");
        }
    }
}
