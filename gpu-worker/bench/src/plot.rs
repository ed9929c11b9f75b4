// SPDX-License-Identifier: Apache-2.0
//! Plots as SVG elements, which need nothing but the page that they are in; its style sheet knows the classes.
use std::fmt::Write;

/// Width and height of a plot, in pixels.
const SIZE: (f64, f64) = (560.0, 300.0);
/// Room around the plotted area: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (60.0, 10.0, 20.0, 44.0);
/// Height of a bar with the gap below it.
const BAR: f64 = 30.0;
/// Room for the names of bars.
const NAMES: f64 = 330.0;

/// A line through some points.
pub struct Line<'a> {
    /// Its name.
    pub name: &'a str,
    /// Class of the style sheet.
    pub class: &'a str,
    /// Points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Text as it may stand in HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Lines over a common axis, from 0 upwards; places on the axis are spread evenly, as they double from one to the next.
pub fn lines(axis: &str, lines: &[Line<'_>]) -> String {
    let (left, top, right, bottom) = MARGIN;
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
    let places: Vec<f64> = lines[0].points.iter().map(|(x, _)| *x).collect();
    let all = lines.iter().flat_map(|line| &line.points);
    let most = nice(all.fold(0.0, |most: f64, (_, y)| most.max(*y)));
    let x = |i: usize| left + width * (i as f64 + 0.5) / places.len() as f64;
    let y = |value: f64| top + height * (1.0 - value / most);
    let mut svg = begin(SIZE.0, SIZE.1);
    for tick in 0..=4 {
        let value = most * f64::from(tick) / 4.0;
        let (y, end) = (y(value), left + width);
        add(&mut svg, format!("<path class='grid' d='M{left} {y}H{end}'/>"));
        add(&mut svg, text(left - 6.0, y + 4.0, "end", &short(value)));
    }
    for (i, place) in places.iter().enumerate() {
        add(&mut svg, text(x(i), SIZE.1 - bottom + 16.0, "middle", &short(*place)));
    }
    add(&mut svg, text(left + width / 2.0, SIZE.1 - 8.0, "middle", axis));
    for (n, line) in lines.iter().enumerate() {
        let points: Vec<_> = line
            .points
            .iter()
            .enumerate()
            .map(|(i, (_, value))| (x(i), y(*value)))
            .collect();
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        add(
            &mut svg,
            format!("<path class='line {}' d='M{}'/>", line.class, path.join("L")),
        );
        for (x, y) in points {
            add(
                &mut svg,
                format!("<circle class='{}' cx='{x:.1}' cy='{y:.1}' r='4'/>", line.class),
            );
        }
        let y = top + 14.0 + 18.0 * n as f64;
        let (from, to) = (left + 10.0, left + 34.0);
        add(
            &mut svg,
            format!("<path class='line {}' d='M{from} {}H{to}'/>", line.class, y - 4.0),
        );
        add(&mut svg, text(to + 6.0, y, "start", line.name));
    }
    svg + "</svg>"
}

/// Bars from left to right: name, value, and what the value can at most be (or is wished to be), which is marked.
pub fn bars(bars: &[(String, f64, f64)], unit: &str) -> String {
    let width = SIZE.0 + 100.0 - NAMES - MARGIN.2;
    let mut svg = begin(SIZE.0 + 200.0, BAR * bars.len() as f64 + 4.0);
    for (i, (name, value, mark)) in bars.iter().enumerate() {
        let (y, most) = (BAR * i as f64 + 4.0, value.max(*mark));
        let scale = if most > 0.0 { width / most } else { 0.0 };
        add(&mut svg, text(NAMES - 8.0, y + 15.0, "end", name));
        let (length, at) = (value * scale, NAMES + mark * scale);
        add(
            &mut svg,
            format!("<rect class='ours' x='{NAMES}' y='{y}' width='{length:.1}' height='22'/>"),
        );
        add(
            &mut svg,
            format!("<path class='mark' d='M{at:.1} {}V{}'/>", y - 2.0, y + 24.0),
        );
        let label = format!("{} of {} {unit}", short(*value), short(*mark));
        add(&mut svg, text(NAMES + width + 8.0, y + 15.0, "start", &label));
    }
    svg + "</svg>"
}

fn begin(width: f64, height: f64) -> String {
    format!("<svg viewBox='0 0 {width} {height}' width='{width}' height='{height}' role='img'>")
}

fn add(svg: &mut String, element: impl AsRef<str>) {
    svg.push_str(element.as_ref());
}

fn text(x: f64, y: f64, anchor: &str, content: &str) -> String {
    let content = escaped(content);
    format!("<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{content}</text>")
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below `value`.
fn nice(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter();
    steps
        .map(|step| step * unit)
        .find(|step| *step >= value)
        .unwrap_or(10.0 * unit)
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    let mut out = String::new();
    let digits = match value.abs() {
        size if size == 0.0 || size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let _ = write!(out, "{value:.digits$}");
    if out.contains('.') {
        out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_that_holds_every_value() {
        for (value, end) in [
            (0.7, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (23.0, 25.0),
            (26.0, 50.0),
            (800.0, 1000.0),
        ] {
            assert_eq!(nice(value), end);
        }
    }

    #[test]
    fn numbers_are_short_and_text_cannot_become_markup() {
        assert_eq!(
            [0.0, 1234.5, 12.34, 1.5, 0.0012].map(short),
            ["0", "1234", "12.3", "1.5", "0.0012"]
        );
        assert!(bars(&[("<a>".into(), 1.0, 2.0)], "x").contains("&lt;a&gt;"));
    }

    #[test]
    fn a_line_goes_through_all_its_points() {
        let line = Line {
            name: "ours",
            class: "ours",
            points: vec![(1.0, 10.0), (2.0, 20.0), (4.0, 0.0)],
        };
        let svg = lines("batch", &[line]);
        assert_eq!(svg.matches("<circle").count(), 3);
        // 20 is the end of the axis, 0 its beginning.
        assert!(svg.contains("cy='10.0'") && svg.contains("cy='256.0'"));
    }
}
