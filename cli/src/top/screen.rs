//! The drawing of the screen. The drawing gets all its input and changes nothing.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Sparkline, Table, TableState};

use super::model::{Below, FunctionRow, Model, SortOrder};
use super::stream::ShownRecord;
use crate::terminal::one_line;
use crate::terminal::safe::deceives;

const DIM: Style = Style::new().fg(Color::DarkGray);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, model: &mut Model) {
    let rows = u16::try_from(model.functions.len()).unwrap_or(u16::MAX);
    let [head, rates, table, below, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(3),
        Constraint::Max(rows.saturating_add(2).max(4)),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, head, model);
    let width = usize::from(rates.width);
    let skipped = model.rates.len().saturating_sub(width);
    let data: Vec<u64> = model.rates.iter().skip(skipped).copied().collect();
    let line = Sparkline::default()
        .data(data)
        .style(Style::new().fg(Color::Cyan));
    frame.render_widget(line, rates);
    functions(frame, table, model);
    records(frame, below, model);
    footer(frame, foot, model);
}

fn header(frame: &mut Frame, area: Rect, model: &Model) {
    let totals = &model.totals;
    let mut title = vec![Span::styled("fnlocal top", BOLD), Span::raw("  ")];
    title.push(Span::styled(model.place.as_str(), DIM));
    if model.still {
        title.push(Span::styled("  held still", Style::new().fg(Color::Yellow)));
    }
    let latency = model.latency.map_or_else(
        || "p50 –  p99 –".to_owned(),
        |all| format!("p50 {}  p99 {}", ms(all.p50), ms(all.p99)),
    );
    let nodes = if totals.nodes > 1 {
        format!("{} nodes  ", totals.nodes)
    } else {
        String::new()
    };
    let figures = format!(
        "{nodes}{:.0} requests/s  {latency}  {} waiting  {} instances  {} of {} MiB promised",
        totals.rate, totals.queued, totals.instances, totals.promised_mib, totals.memory_mib
    );
    frame.render_widget(
        Paragraph::new(vec![Line::from(title), Line::from(figures)]),
        area,
    );
}

fn functions(frame: &mut Frame, area: Rect, model: &mut Model) {
    let named = |name: &str, order| {
        if model.order == order {
            format!("{name}*")
        } else {
            name.to_owned()
        }
    };
    let head = Row::new(vec![
        named("FUNCTION", SortOrder::Name),
        named("REQ/S", SortOrder::Rate),
        "P50".to_owned(),
        named("P99", SortOrder::P99),
        "BUSY".to_owned(),
        "IDLE".to_owned(),
        "OTHER".to_owned(),
        "WAITING".to_owned(),
        "REQUESTS".to_owned(),
        named("5XX", SortOrder::Failed),
    ]);
    let longest = model.functions.iter().map(|one| one.name.len()).max();
    let name = u16::try_from(longest.unwrap_or(0).clamp(9, 40)).unwrap_or(40);
    let widths = [name, 7, 8, 8, 5, 5, 6, 7, 9, 6].map(Constraint::Length);
    let rows = model.functions.iter().map(row);
    let table = Table::new(rows, widths)
        .header(head.style(DIM))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(model.at);
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(one: &FunctionRow) -> Row<'static> {
    let time = |pick: fn(&super::stream::ShownQuantiles) -> f64| {
        let latency = one.latency.as_ref().map(pick);
        latency.map_or_else(|| "–".to_owned(), ms)
    };
    let all = one.instances;
    let other = all.starting + all.assigning + all.paused + all.resuming + all.stopping;
    let row = Row::new(vec![
        one_line(&one.name).into_owned(),
        format!("{:.1}", one.rate),
        time(|latency| latency.p50),
        time(|latency| latency.p99),
        all.busy.to_string(),
        all.idle.to_string(),
        other.to_string(),
        one.queued.to_string(),
        one.requests.to_string(),
        one.failed.to_string(),
    ]);
    if one.broken {
        row.style(Style::new().fg(Color::Red))
    } else {
        row
    }
}

fn records(frame: &mut Frame, area: Rect, model: &Model) {
    let chosen = model.chosen().filter(|_| model.only);
    let of = |record: &&ShownRecord| chosen.is_none() || record.function == chosen;
    let wanted =
        |record: &&ShownRecord| (record.kind == "invocation") == (model.below == Below::Requests);
    let room = usize::from(area.height.saturating_sub(1));
    let newest = model
        .records
        .iter()
        .rev()
        .filter(of)
        .filter(wanted)
        .take(room);
    let what = match model.below {
        Below::Requests => "REQUESTS",
        Below::Lines => "LINES",
    };
    let whose = one_line(chosen.as_deref().unwrap_or("all functions"));
    let mut lines = vec![Line::styled(
        format!("{what} of {whose}, the newest first"),
        DIM,
    )];
    lines.extend(newest.map(|record| match model.below {
        Below::Requests => request(record),
        Below::Lines => said(record),
    }));
    frame.render_widget(Paragraph::new(lines), area);
}

fn request(record: &ShownRecord) -> Line<'_> {
    let colour = match record.status {
        500.. | 0 => Color::Red,
        400.. => Color::Yellow,
        _ => Color::Green,
    };
    let start = record.start.as_deref().or(record.problem.as_deref());
    Line::from(vec![
        Span::styled(clock(&record.time), DIM),
        Span::raw(format!(
            "  {:<14} ",
            one_line(record.function.as_deref().unwrap_or("–"))
        )),
        Span::styled(format!("{:>3} ", record.status), Style::new().fg(colour)),
        Span::raw(format!(
            "{:>9}  {:<7} {} {}",
            ms(record.duration_ms),
            start.unwrap_or_default(),
            one_line(&record.method),
            one_line(&record.path)
        )),
    ])
}

fn said(record: &ShownRecord) -> Line<'_> {
    let style = if record.stream == "stderr" {
        Style::new().fg(Color::Red)
    } else {
        Style::new()
    };
    let whose = one_line(record.function.as_deref().unwrap_or("fnlocal"));
    Line::from(vec![
        Span::styled(clock(&record.time), DIM),
        Span::raw(format!("  {whose:<14} ")),
        Span::styled(one_line(&record.text), style),
    ])
}

fn footer(frame: &mut Frame, area: Rect, model: &Model) {
    let keys =
        "↑↓ choose  enter only it  l lines or requests  s sort  c cold start  space hold  q quit";
    let line = match &model.said {
        Some(said) => Line::styled(one_line(said), Style::new().fg(Color::Yellow)),
        None => Line::styled(keys, DIM),
    };
    frame.render_widget(Paragraph::new(line), area);
}

/// Makes all cells safe. Control characters are made visible earlier, where their meaning is known;
/// a cell has no room for an escape.
pub fn make_safe(screen: &mut Buffer) {
    for cell in &mut screen.content {
        if cell.symbol().chars().any(deceives) {
            cell.set_symbol("�");
        }
    }
}

/// Of a time like 2026-01-31T12:00:00.123456Z, the hours to the milliseconds.
fn clock(time: &str) -> &str {
    time.get(11..23).unwrap_or(time)
}

fn ms(time: f64) -> String {
    crate::lines::millis(fnlocal_core::time::bounded_millis(time))
}

#[cfg(test)]
mod tests;
