//! Names of tables in signals.

use raccord_config::JavaRegex;

use crate::TableId;

/// The tables that the expressions of a signal stand for: those of the known ones whose whole name they match, in the
/// same case; an expression that matches none stands for itself.
///
/// # Errors
/// The first expression that is none, with what is wrong.
pub fn expand(expressions: &[String], known: &[String]) -> Result<Vec<String>, String> {
    let mut expanded: Vec<String> = Vec::new();
    for expression in expressions {
        let regex = JavaRegex::new(expression).map_err(|error| format!("'{expression}': {error}"))?;
        let found: Vec<&String> =
            known.iter().filter(|table| regex.full_match(table).unwrap_or(false)).collect();
        let found = if found.is_empty() { vec![expression] } else { found };
        for table in found {
            if !expanded.contains(table) {
                expanded.push(table.clone());
            }
        }
    }
    Ok(expanded)
}

/// Reads `table`, `schema.table` or `catalog.schema.table`; parts may stand in double quotes.
pub fn parse_table(text: &str) -> Option<TableId> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                parts.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => parts.last_mut()?.push(c),
        }
    }
    if quoted || parts.iter().any(String::is_empty) {
        return None;
    }
    let part = |place: usize| parts.get(place).map(|part| part.as_str().into());
    match parts.len() {
        1 => Some(TableId { catalog: None, schema: None, table: part(0)? }),
        2 => Some(TableId { catalog: None, schema: part(0), table: part(1)? }),
        _ => Some(TableId { catalog: part(0), schema: part(1), table: part(2)? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_stand_for_known_tables_or_for_themselves() {
        let known = ["public.a".to_owned(), "public.ab".to_owned(), "other.a".to_owned()];
        let check = |expressions: &[&str], expect: &[&str]| {
            let expressions: Vec<String> = expressions.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(expand(&expressions, &known).unwrap(), expect, "{expressions:?}");
        };
        check(&["public.a"], &["public.a"]);
        check(&["public\\.a.*", "public.a"], &["public.a", "public.ab"]);
        check(&["PUBLIC.A"], &["PUBLIC.A"]);
        check(&[".*"], &["public.a", "public.ab", "other.a"]);
        assert!(expand(&["(".to_owned()], &known).is_err());
    }

    #[test]
    fn names_have_up_to_three_parts() {
        let check = |text: &str, expect: Option<(Option<&str>, &str)>| {
            let id = parse_table(text);
            assert_eq!(id.as_ref().map(|id| (id.schema.as_deref(), &*id.table)), expect, "{text}");
        };
        check("a", Some((None, "a")));
        check("s.a", Some((Some("s"), "a")));
        check("s.Big Name", Some((Some("s"), "Big Name")));
        check("\"s.x\".\"a\"\"b\"", Some((Some("s.x"), "a\"b")));
        check("c.s.a", Some((Some("s"), "a")));
        check("s.", None);
        check("\"s", None);
    }
}
