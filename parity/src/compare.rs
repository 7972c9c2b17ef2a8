//! Differences between two recordings, in words a reader can act on.

use serde_json::Value;

use crate::allowances::{Allowance, Kind, allowance};
use crate::exchange::{Exchange, Recording};
use crate::normalise::for_comparison;

/// The exchanges looked at and the differences found.
#[derive(Clone, Default)]
pub struct Outcome {
    /// How many exchanges were compared.
    pub exchanges: usize,
    /// The exchanges that differ, each described in a paragraph.
    pub differences: Vec<String>,
    /// Of each exchange that differs and may, the reason.
    pub allowed: Vec<&'static Allowance>,
}

impl Outcome {
    /// Adds another outcome.
    pub fn add(&mut self, other: Outcome) {
        self.exchanges += other.exchanges;
        self.differences.extend(other.differences);
        self.allowed.extend(other.allowed);
    }

    /// The numbers in a line.
    pub fn summary(&self) -> String {
        let mut text = format!("{} exchanges, {} differences", self.exchanges, self.differences.len());
        for (kind, name) in [(Kind::Pending, "pending"), (Kind::OnPurpose, "on purpose")] {
            match self.allowed.iter().filter(|row| row.kind == kind).count() {
                0 => {}
                count => text.push_str(&format!(", {count} {name}")),
            }
        }
        text
    }
}

/// Compares what ours did with what the real one did.
pub fn compare(expected: &Recording, actual: &Recording) -> Outcome {
    let mut outcome = Outcome { exchanges: expected.exchanges.len(), ..Outcome::default() };
    if expected.exchanges.len() != actual.exchanges.len() {
        outcome.differences.push(format!(
            "{}: {} exchanges instead of {}: record the scenario anew",
            expected.scenario,
            actual.exchanges.len(),
            expected.exchanges.len()
        ));
    }
    for (index, (want, got)) in expected.exchanges.iter().zip(&actual.exchanges).enumerate() {
        let lines = differences(want, got);
        if lines.is_empty() {
            continue;
        }
        if let Some(row) = allowance(expected, want) {
            outcome.allowed.push(row);
        } else {
            let note = want.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
            let head = format!("{} #{index} {}{note}", actual.scenario, want.step);
            outcome.differences.push(format!("{head}\n{}", lines.join("\n")));
        }
    }
    outcome
}

fn differences(expected: &Exchange, actual: &Exchange) -> Vec<String> {
    let (mut expected, mut actual) = (expected.clone(), actual.clone());
    for_comparison(&mut expected, &mut actual);
    let mut lines = Vec::new();
    if expected.step != actual.step {
        lines.push(format!("  step: {} now, {} when recorded", actual.step, expected.step));
    }
    if actual.timed_out && !expected.timed_out {
        lines.push("  not reached in time; what was there last is compared".to_owned());
    }
    if expected.status != actual.status {
        lines.push(format!("  status: expected {:?}, got {:?}", expected.status, actual.status));
    }
    for name in
        expected.headers.keys().chain(actual.headers.keys().filter(|n| !expected.headers.contains_key(*n)))
    {
        let (want, got) = (expected.headers.get(name), actual.headers.get(name));
        if want != got {
            lines.push(format!("  header {name}: expected {want:?}, got {got:?}"));
        }
    }
    let (want, got) = (pretty(expected.body.as_ref()), pretty(actual.body.as_ref()));
    if want != got {
        lines.push("  body (- expected, + got):".to_owned());
        lines.extend(line_diff(&want, &got));
    }
    lines
}

fn pretty(body: Option<&Value>) -> String {
    match body {
        None => String::new(),
        Some(value) => serde_json::to_string_pretty(value).expect("a JSON value can be written"),
    }
}

/// The most lines shown of one difference.
const SHOWN_LINES: usize = 40;

/// The lines that differ, each with the line before it, by longest common subsequence within the part that differs.
fn line_diff(expected: &str, actual: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (middle_a, middle_b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    let mut out: Vec<String> =
        a[start.saturating_sub(2)..start].iter().map(|line| format!("      {line}")).collect();
    out.extend(match middle_a.len() * middle_b.len() <= 1_000_000 {
        true => edits(middle_a, middle_b),
        false => signed(middle_a, '-').into_iter().chain(signed(middle_b, '+')).collect(),
    });
    if out.len() > SHOWN_LINES {
        let more = out.len() - SHOWN_LINES;
        out.truncate(SHOWN_LINES);
        out.push(format!("      … {more} more lines"));
    }
    out
}

fn signed(lines: &[&str], sign: char) -> Vec<String> {
    lines.iter().map(|line| format!("    {sign} {line}")).collect()
}

fn edits(a: &[&str], b: &[&str]) -> Vec<String> {
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = match a[i] == b[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out, mut skipped) = (0, 0, Vec::new(), None);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            skipped = Some(a[i]);
            (i, j) = (i + 1, j + 1);
            continue;
        }
        if let Some(line) = skipped.take() {
            out.push(format!("      {line}"));
        }
        let drop = j == b.len() || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]);
        if drop {
            out.push(format!("    - {}", a[i]));
            i += 1;
        } else {
            out.push(format!("    + {}", b[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(json: &str) -> Exchange {
        serde_json::from_str(json).unwrap()
    }

    fn check(expected: &str, actual: &str, count: usize) {
        let lines = differences(&exchange(expected), &exchange(actual));
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("  ") && !line.starts_with("    ")).count(),
            count,
            "{lines:?}"
        );
    }

    #[test]
    fn finds_differences() {
        check(
            r#"{"step":"s","status":200,"body":{"a":1,"b":2}}"#,
            r#"{"step":"s","status":200,"body":{"a":1,"b":2}}"#,
            0,
        );
        check(
            r#"{"step":"s","status":200,"body":{"a":1,"b":2}}"#,
            r#"{"step":"s","status":200,"body":{"b":2,"a":1}}"#,
            1,
        );
        check(
            r#"{"step":"s","status":200,"body":{"a":1.0}}"#,
            r#"{"step":"s","status":201,"body":{"a":1}}"#,
            2,
        );
        check(r#"{"step":"s","headers":{"x":"1"}}"#, r#"{"step":"s","headers":{"y":"1"},"body":"t"}"#, 3);
    }

    #[test]
    fn shows_changed_lines_only() {
        assert_eq!(line_diff("a\nb\nc\nd", "a\nx\nc\nd"), ["      a", "    - b", "    + x"]);
    }
}
