//! Charts as SVG: lines, stacked areas, axes with round numbers. Colours are the page's.

use std::fmt::Write as _;

use super::table::clock;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// One line or area.
pub struct ChartLine<'a> {
    /// The line's name.
    pub name: &'a str,
    /// A class of the page that gives it its colour.
    pub class: &'a str,
    /// A value for every bucket.
    pub values: Vec<f64>,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartStyle {
    /// Lines from zero on.
    Lines,
    /// Lines on a logarithmic axis; zeros are left out.
    Logarithmic,
    /// Areas upon each other.
    Stacked,
}

/// A chart over time.
pub struct Chart<'a> {
    /// The chart's title.
    pub title: &'a str,
    /// The unit of its values.
    pub unit: &'a str,
    pub style: ChartStyle,
    /// The chart's lines.
    pub lines: Vec<ChartLine<'a>>,
    /// Length of a bucket, in seconds.
    pub width: f64,
    /// Buckets to be marked as bad.
    pub broken: &'a [bool],
}

/// The value axis.
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    fn from_chart(chart: &Chart<'_>) -> Self {
        let buckets = chart.lines.iter().map(|line| line.values.len()).max();
        let stacked = |at: usize| {
            let values = chart.lines.iter().filter_map(|line| line.values.get(at));
            values.sum::<f64>()
        };
        let most = match chart.style {
            ChartStyle::Stacked => (0..buckets.unwrap_or(0)).map(stacked).fold(0.0, f64::max),
            _ => {
                let all = chart.lines.iter().flat_map(|line| &line.values);
                all.copied().fold(0.0, f64::max)
            }
        };
        if chart.style == ChartStyle::Logarithmic {
            return Self::logarithmic(chart, most);
        }
        let step = round_step(most / 4.0);
        let steps = (most / step).ceil().max(1.0);
        Self {
            low: 0.0,
            high: step * steps,
            logarithmic: false,
            ticks: (0..=steps as u32).map(|n| f64::from(n) * step).collect(),
        }
    }

    fn logarithmic(chart: &Chart<'_>, most: f64) -> Self {
        let all = chart.lines.iter().flat_map(|line| &line.values);
        let least = all
            .copied()
            .filter(|&value| value > 0.0)
            .fold(most, f64::min);
        let low = least.max(0.1).log10().floor() as i32;
        let high = (most.max(1.0).log10().ceil() as i32).max(low + 1);
        Self {
            low: 10_f64.powi(low),
            high: 10_f64.powi(high),
            logarithmic: true,
            ticks: (low..=high).map(|power| 10_f64.powi(power)).collect(),
        }
    }

    fn y(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            value / self.high
        };
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - part)
    }
}

/// One, two or five times a power of ten.
fn round_step(wanted: f64) -> f64 {
    if wanted <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(wanted.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= wanted);
    factor.unwrap_or(10.0) * power
}

/// The chart as a figure of the page.
pub fn figure(chart: &Chart<'_>) -> String {
    let axis = Axis::from_chart(chart);
    let buckets = chart.lines.iter().map(|line| line.values.len()).max();
    let buckets = buckets.unwrap_or(0).max(1);
    let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * at / buckets as f64;
    let mut out = format!(
        "<figure><figcaption><b>{}</b> <span>{}</span></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        chart.title, chart.unit, chart.title
    );
    marks(chart, &x, &mut out);
    grid(chart, &axis, buckets, &x, &mut out);
    let mut below = vec![0.0; buckets];
    for line in &chart.lines {
        match chart.style {
            ChartStyle::Stacked => area(line, &axis, &x, &mut below, &mut out),
            _ => path(line, &axis, &x, &mut out),
        }
    }
    out.push_str("</svg><p class=\"legend\">");
    for line in &chart.lines {
        let _ = write!(
            out,
            "<span><i class=\"{}\"></i>{}</span>",
            line.class, line.name
        );
    }
    if chart.broken.contains(&true) {
        out.push_str("<span><i class=\"bad\"></i>objective not held</span>");
    }
    out.push_str("</p></figure>\n");
    out
}

/// Bands behind the stretches that are broken.
fn marks(chart: &Chart<'_>, x: &dyn Fn(f64) -> f64, out: &mut String) {
    let mut from = None;
    let ended = chart.broken.iter().chain([&false]).enumerate();
    for (at, &broken) in ended {
        match (broken, from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                let (left, right) = (x(start as f64), x(at as f64));
                let height = HEIGHT - TOP - BOTTOM;
                let _ = write!(
                    out,
                    "<rect class=\"bad\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" \
                     height=\"{height}\"/>",
                    (right - left).max(1.0)
                );
                from = None;
            }
            _ => {}
        }
    }
}

fn grid(chart: &Chart<'_>, axis: &Axis, buckets: usize, x: &dyn Fn(f64) -> f64, out: &mut String) {
    for &tick in &axis.ticks {
        let y = axis.y(tick);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            short(tick)
        );
    }
    let seconds = buckets as f64 * chart.width;
    let steps = [
        1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0,
        21_600.0, 43_200.0, 86_400.0, 604_800.0,
    ];
    let step = steps.into_iter().find(|step| seconds / step <= 8.0);
    let step = step.unwrap_or(2_592_000.0);
    let mut at = 0.0;
    while at <= seconds {
        let place = x(at / chart.width);
        let _ = write!(
            out,
            "<text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6.0,
            clock(at)
        );
        at += step;
    }
}

/// A tick's number, short.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e4 => format!("{}k", v / 1e3),
        // Ticks are round, but sums of round numbers need not be.
        v => format!("{}", (v * 1e6).round() / 1e6),
    }
}

fn path(line: &ChartLine<'_>, axis: &Axis, x: &dyn Fn(f64) -> f64, out: &mut String) {
    let _ = write!(out, "<path class=\"line {}\" d=\"", line.class);
    let mut drawn = false;
    for (at, &value) in line.values.iter().enumerate() {
        if axis.logarithmic && value <= 0.0 {
            drawn = false;
            continue;
        }
        let step = if drawn { 'L' } else { 'M' };
        let _ = write!(out, "{step}{:.1} {:.1}", x(at as f64 + 0.5), axis.y(value));
        drawn = true;
    }
    out.push_str("\"/>");
}

fn area(
    line: &ChartLine<'_>,
    axis: &Axis,
    x: &dyn Fn(f64) -> f64,
    below: &mut [f64],
    out: &mut String,
) {
    let mut back = String::new();
    let _ = write!(out, "<path class=\"area {}\" d=\"", line.class);
    for (at, &value) in line.values.iter().enumerate() {
        let place = x(at as f64 + 0.5);
        let base = below[at];
        below[at] += value;
        let step = if at == 0 { 'M' } else { 'L' };
        let _ = write!(out, "{step}{place:.1} {:.1}", axis.y(below[at]));
        back = format!("L{place:.1} {:.1}{back}", axis.y(base));
    }
    let _ = write!(out, "{back}Z\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_steps_are_round_numbers() {
        for (wanted, step) in [
            (0.0, 1.0),
            (0.7, 1.0),
            (1.1, 2.0),
            (30.0, 50.0),
            (501.0, 1000.0),
        ] {
            assert!((round_step(wanted) - step).abs() < 1e-9, "{wanted}");
        }
    }

    #[test]
    fn an_empty_series_renders_a_valid_chart() {
        for style in [
            ChartStyle::Lines,
            ChartStyle::Logarithmic,
            ChartStyle::Stacked,
        ] {
            let line = ChartLine {
                name: "nothing",
                class: "c1",
                values: vec![0.0; 3],
            };
            let chart = Chart {
                title: "t",
                unit: "u",
                style,
                lines: vec![line],
                width: 1.0,
                broken: &[false, true, true],
            };
            let text = figure(&chart);
            assert!(text.contains("<svg") && !text.contains("NaN"), "{text}");
            assert!(text.contains("objective not held"));
        }
    }
}
