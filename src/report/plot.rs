//! Plots as SVG, drawn without a font of the machine.

use std::collections::BTreeMap;

use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Color as _, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea as _,
        IntoSegmentedCoord as _, PathElement, RGBColor, Rectangle, SVGBackend, SegmentValue,
    },
    style::{FontFamily, IntoFont as _, TextStyle, WHITE},
};

use super::{DayRow, page::visible};

const SIZE: (u32, u32) = (720, 260);
const ROLE: RGBColor = RGBColor(0x8a, 0x9a, 0xa8);
const EXCEPTION: RGBColor = RGBColor(0xc2, 0x5b, 0x1e);
const REFUSED: RGBColor = RGBColor(0x4b, 0x2e, 0x83);
/// Bars of one plot; the rest is one more.
const BARS: usize = 12;
/// Characters of a label.
const LABEL: usize = 24;

type Failed<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// The text of a plot; a plot that cannot be drawn is empty, and the numbers stand beside it.
fn svg(draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed<SVGBackend<'static>>>) -> String {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
    drop(area);
    if drawn.is_ok() { text } else { String::new() }
}

fn font(size: u32) -> TextStyle<'static> {
    TextStyle::from((FontFamily::SansSerif, size).into_font())
}

/// Bars of these numbers, the greatest first.
pub(super) fn bars(title: &str, numbers: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, u64)> = numbers.iter().map(|(name, number)| (name, *number)).collect();
    sorted.sort_by_key(|(name, number)| (std::cmp::Reverse(*number), *name));
    let rest: u64 = sorted.iter().skip(BARS).map(|(_, number)| number).sum();
    let mut shown: Vec<(String, u64)> = sorted.into_iter().take(BARS).map(|(name, n)| (cut(name), n)).collect();
    if rest > 0 {
        shown.push(("all others".to_owned(), rest));
    }
    ordered(title, &shown)
}

/// Bars of these numbers in their order, from the top.
pub(super) fn ordered(title: &str, shown: &[(String, u64)]) -> String {
    if shown.is_empty() {
        return String::new();
    }
    let shown: Vec<&(String, u64)> = shown.iter().rev().collect();
    let top = shown.iter().map(|(_, number)| *number).max().unwrap_or_default().max(1);
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(at) | SegmentValue::Exact(at) => {
            shown.get(*at).map(|one| one.0.clone()).unwrap_or_default()
        }
        SegmentValue::Last => String::new(),
    };
    svg(|area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, font(22))
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(170)
            .build_cartesian_2d(0..top + 1, (0..shown.len()).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_labels(5)
            .y_labels(shown.len())
            .y_label_formatter(&label)
            .x_label_style(font(16))
            .y_label_style(font(16))
            .draw()?;
        chart.draw_series(shown.iter().enumerate().map(|(at, one)| {
            let (low, high) = (SegmentValue::Exact(at), SegmentValue::Exact(at + 1));
            let mut bar = Rectangle::new([(0, low), (one.1, high)], EXCEPTION.filled());
            bar.set_margin(3, 3, 0, 0);
            bar
        }))?;
        Ok(())
    })
}

/// Allowed calls day by day, those of exceptions apart, and refusals.
pub(super) fn days(title: &str, by_day: &[DayRow]) -> String {
    let (Some(first), Some(last)) = (by_day.first(), by_day.last()) else { return String::new() };
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX - 1);
    let top = by_day.iter().map(|day| number(day.by_role.max(day.by_exception).max(day.refused))).max().unwrap_or(0);
    let place = |index: usize| f64::from(u32::try_from(index).unwrap_or(u32::MAX));
    let end = place(by_day.len().saturating_sub(1)).max(1.0);
    let label = |at: &f64| {
        if *at < 0.5 {
            first.day.to_string()
        } else if *at > end - 0.5 {
            last.day.to_string()
        } else {
            String::new()
        }
    };
    svg(|area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, font(22))
            .margin(12)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..end, 0..top.max(1) + 1)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(by_day.len().clamp(2, 31))
            .x_label_formatter(&label)
            .x_label_style(font(16))
            .y_label_style(font(16))
            .draw()?;
        for (line, color) in [ROLE, EXCEPTION, REFUSED].into_iter().enumerate() {
            let value = |day: &DayRow| [day.by_role, day.by_exception, day.refused].get(line).copied();
            let points: Vec<_> = by_day
                .iter()
                .enumerate()
                .map(|(at, day)| (place(at), number(value(day).unwrap_or_default())))
                .collect();
            chart.draw_series([PathElement::new(points, color.stroke_width(2))])?;
        }
        Ok(())
    })
}

/// A name as a label: not too long, and with nothing in it that steers the direction of text.
fn cut(name: &str) -> String {
    let name: String = name.chars().map(|c| if visible(c) { c } else { '\u{fffd}' }).collect();
    if name.chars().count() <= LABEL { name } else { name.chars().take(LABEL - 1).chain(['…']).collect() }
}
