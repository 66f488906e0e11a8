//! Charts as inline SVG. Colours are classes of the page's style sheet, so that they follow light and dark.

use std::fmt::Write;

use crate::load::report::scale::Scale;
use crate::values::words::escaped;

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 300.0;
/// Room for the labels as large as narrow screens need them.
const LEFT: f64 = 86.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// Marks of an axis: places from 0 to 1 with their labels, and what it shows.
#[derive(Clone, Debug)]
pub struct Axis {
    pub ticks: Vec<(f64, String)>,
    pub title: &'static str,
}

impl Axis {
    pub fn of(scale: &Scale, title: &'static str) -> Axis {
        Axis { ticks: scale.ticks(), title }
    }
}

/// What is drawn of a row of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Line,
    /// Filled down to a lower row of points, or to the axis.
    Area,
}

/// A row of points, places from 0 to 1; `None` leaves a gap.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    /// Class of its colour.
    pub colour: &'static str,
    pub shape: Shape,
    pub points: Vec<Option<(f64, f64)>>,
    /// Lower edge of an area, as long as `points`; the axis where it is empty.
    pub base: Vec<f64>,
}

/// What shows when the pointer rests between two places of the x axis.
#[derive(Clone, Debug)]
pub struct Hint {
    pub from: f64,
    pub to: f64,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Chart {
    /// For those who do not see it.
    pub label: String,
    pub x: Axis,
    pub y: Axis,
    pub rows: Vec<Row>,
    pub hints: Vec<Hint>,
}

fn x_of(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn y_of(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

impl Chart {
    /// Legend and drawing.
    pub fn html(&self) -> String {
        let mut out = String::from("<div class=\"legend\">");
        // Writing to a String cannot fail, here and below.
        for row in &self.rows {
            let _ = write!(out, "<span><i class=\"{}\"></i>{}</span>", row.colour, escape(row.name));
        }
        let label = escape(&self.label);
        let _ = write!(
            out,
            "</div>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n<title>{label}</title>\n"
        );
        self.put_axes(&mut out);
        self.rows.iter().for_each(|row| put_row(row, &mut out));
        for hint in &self.hints {
            let (from, to) = (x_of(hint.from), x_of(hint.to));
            let _ = writeln!(
                out,
                "<rect class=\"hint\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                (to - from).max(0.1),
                HEIGHT - TOP - BOTTOM,
                escape(&hint.text)
            );
        }
        out + "</svg>\n"
    }

    fn put_axes(&self, out: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (place, label) in &self.y.ticks {
            let y = y_of(*place);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" class=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escape(label)
            );
        }
        for (place, label) in &self.x.ticks {
            let x = x_of(*place);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/><text x=\"{x:.1}\" y=\"{:.1}\" class=\"mid\">{}</text>",
                bottom + 17.0,
                escape(label)
            );
        }
        let (middle, up) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let _ = writeln!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" class=\"mid axis below\">{}</text>\
             <text transform=\"translate(13 {up:.1}) rotate(-90)\" class=\"mid axis\">{}</text>",
            HEIGHT - 6.0,
            escape(self.x.title),
            escape(self.y.title)
        );
    }
}

fn put_row(row: &Row, out: &mut String) {
    let places = row.points.iter().enumerate().collect::<Vec<_>>();
    for run in places.split(|(_, point)| point.is_none()) {
        let points: Vec<(usize, f64, f64)> =
            run.iter().filter_map(|(index, point)| point.map(|(x, y)| (*index, x, y))).collect();
        if points.is_empty() {
            continue;
        }
        let mut path = String::new();
        for (n, (_, x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if n == 0 { "M" } else { "L" }, x_of(*x), y_of(*y));
        }
        match row.shape {
            // A point between two gaps shows as a dot: round caps draw a path of no length.
            Shape::Line if points.len() == 1 => {
                let _ = write!(path, "h0.01");
            }
            Shape::Line => {}
            Shape::Area => {
                for (index, x, _) in points.iter().rev() {
                    let base = row.base.get(*index).copied().unwrap_or(0.0);
                    let _ = write!(path, "L{:.1} {:.1}", x_of(*x), y_of(base));
                }
                path.push('Z');
            }
        }
        let kind = if row.shape == Shape::Area { "area" } else { "line" };
        let _ = writeln!(out, "<path class=\"{kind} {}\" d=\"{path}\"/>", row.colour);
    }
}

/// Text as HTML, in elements and in attributes. No control character belongs on a page.
pub fn escape(text: &str) -> String {
    escaped(text, |character| if character.is_control() { '\u{fffd}' } else { character })
}
