//! The condition that a chunk's rows fulfil: behind the last key, not behind the greatest one.

/// A column that chunks go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name as an identifier of SQL.
    pub identifier: String,
    /// Whether it may be null. Nulls are taken to sort last.
    pub optional: bool,
}

/// The keys between which a chunk lies, as literals of SQL; `None` stands for null.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The last key that was read.
    pub behind: &'a [Option<String>],
    /// The greatest key there was when the table was begun.
    pub up_to: &'a [Option<String>],
}

/// The condition, in the form that PostgreSQL's planner finds an index for: rows compared as a whole. Where a column may
/// be null rows cannot be compared; then each column is by itself.
pub fn condition(columns: &[KeyColumn], bounds: Bounds<'_>) -> String {
    if columns.iter().any(|column| column.optional) {
        return format!("{} AND NOT {}", behind(columns, bounds.behind), behind(columns, bounds.up_to));
    }
    let names = columns.iter().map(|column| column.identifier.as_str()).collect::<Vec<_>>().join(", ");
    let row = |key: &[Option<String>]| key.iter().map(literal).collect::<Vec<_>>().join(", ");
    let (low, high) = (row(bounds.behind), row(bounds.up_to));
    match columns.len() {
        1 => format!("{names} > {low} AND {names} <= {high}"),
        _ => format!("ROW({names}) > ROW({low}) AND ROW({names}) <= ROW({high})"),
    }
}

fn literal(part: &Option<String>) -> &str {
    part.as_deref().unwrap_or("NULL")
}

/// `(a > 1) OR (a = 1 AND b > 2)`, with nulls behind everything else.
fn behind(columns: &[KeyColumn], key: &[Option<String>]) -> String {
    let parts: Vec<_> = columns.iter().zip(key).collect();
    let equal = |(column, part): &(&KeyColumn, &Option<String>)| match part {
        Some(part) => format!("{} = {part}", column.identifier),
        None => format!("{} IS NULL", column.identifier),
    };
    let greater = |(column, part): &(&KeyColumn, &Option<String>)| match (part, column.optional) {
        (Some(part), false) => format!("{} > {part}", column.identifier),
        (Some(part), true) => format!("({0} > {part} OR {0} IS NULL)", column.identifier),
        (None, _) => "1 = 0".to_owned(),
    };
    let alternatives: Vec<String> = (0..parts.len())
        .map(|last| {
            let mut terms: Vec<String> = parts[..last].iter().map(equal).collect();
            terms.push(greater(&parts[last]));
            format!("({})", terms.join(" AND "))
        })
        .collect();
    format!("({})", alternatives.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, optional: bool) -> KeyColumn {
        KeyColumn { identifier: name.to_owned(), optional }
    }

    fn key(parts: &[Option<&str>]) -> Vec<Option<String>> {
        parts.iter().map(|part| part.map(str::to_owned)).collect()
    }

    #[test]
    fn rows_are_compared_as_a_whole_where_nothing_is_null() {
        let check = |columns: &[KeyColumn], low: &[Option<&str>], high: &[Option<&str>], expect: &str| {
            let (low, high) = (key(low), key(high));
            assert_eq!(condition(columns, Bounds { behind: &low, up_to: &high }), expect);
        };
        check(&[column("a", false)], &[Some("1")], &[Some("9")], "a > 1 AND a <= 9");
        check(
            &[column("a", false), column("b", false)],
            &[Some("1"), Some("2")],
            &[Some("8"), Some("9")],
            "ROW(a, b) > ROW(1, 2) AND ROW(a, b) <= ROW(8, 9)",
        );
        check(&[column("a", true)], &[Some("1")], &[None], "(((a > 1 OR a IS NULL))) AND NOT ((1 = 0))");
        check(
            &[column("a", false), column("b", true)],
            &[Some("1"), None],
            &[Some("8"), Some("9")],
            "((a > 1) OR (a = 1 AND 1 = 0)) AND NOT ((a > 8) OR (a = 8 AND (b > 9 OR b IS NULL)))",
        );
    }
}
