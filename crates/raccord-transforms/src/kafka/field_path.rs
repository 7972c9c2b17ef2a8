//! Paths to fields: a name (`V1`), or names with dots between them (`V2`, KIP-821).

use raccord_data::{Field, Schema, Struct, Value};
use raccord_plugin::{Error, Result};

use crate::building::field_of;
use crate::exception;
use crate::part::{entry, require_map, require_struct};

const NESTED: &str = "nested field access";

/// The names on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldPath {
    steps: Vec<String>,
}

impl FieldPath {
    /// A path of one name, whatever characters are in it.
    pub fn of_name(name: String) -> Self {
        Self { steps: vec![name] }
    }

    /// Reads names separated by dots. A name with dots in it stands between backticks; a backtick that is followed by a
    /// dot and belongs to the name has a backslash before it.
    ///
    /// # Errors
    /// `ConfigException` when a backtick is not closed.
    pub fn parse(path: &str) -> Result<Self> {
        let mut steps = Vec::new();
        let mut rest = path;
        while !rest.is_empty() {
            rest = match rest.strip_prefix('`') {
                Some(quoted) => quoted_step(path, quoted, &mut steps)?,
                None => match rest.split_once('.') {
                    Some((step, after)) => {
                        steps.push(step.to_owned());
                        after
                    }
                    None => {
                        steps.push(rest.to_owned());
                        ""
                    }
                },
            };
        }
        if path.ends_with('.') {
            steps.push(String::new());
        }
        Ok(Self { steps })
    }

    /// The field in a schema, as the places of the steps.
    ///
    /// # Errors
    /// `DataException` when a step leads into something that has no fields.
    pub fn places(&self, schema: &Schema) -> Result<Option<Vec<usize>>> {
        let mut places = Vec::with_capacity(self.steps.len());
        let mut current = schema;
        let (last, before) = self.split()?;
        for step in before {
            let Some(place) = field_of(current, step)? else { return Ok(None) };
            places.push(place);
            current = &current.fields()[place].schema;
        }
        Ok(field_of(current, last)?.map(|place| {
            places.push(place);
            places
        }))
    }

    /// The value in a map without a schema; `None` when it is not there.
    ///
    /// # Errors
    /// `DataException` when a step leads into something that is no map.
    pub fn value_in<'a>(&self, entries: &'a [(Value, Value)]) -> Result<Option<&'a Value>> {
        let mut current = entries;
        let (last, before) = self.split()?;
        for step in before {
            match entry(current, step) {
                None | Some(Value::Null) => return Ok(None),
                Some(value) => current = require_map(value, NESTED)?,
            }
        }
        Ok(entry(current, last))
    }

    fn split(&self) -> Result<(&String, &[String])> {
        // An empty path has no last step, which Java finds out this late.
        self.steps.split_last().ok_or_else(|| exception::illegal_argument("fromIndex(0) > toIndex(-1)"))
    }
}

/// Reads a step after its opening backtick; gives what is left of the path.
fn quoted_step<'a>(path: &str, quoted: &'a str, steps: &mut Vec<String>) -> Result<&'a str> {
    let opened_at = path[..path.len() - quoted.len() - 1].encode_utf16().count();
    let mut name = String::new();
    let (mut start, mut from) = (0, 0);
    loop {
        let Some(found) = quoted[from..].find('`') else { return Err(not_closed(path, opened_at)) };
        let at = from + found;
        // For the first character of the name, what stands before it is the opening backtick.
        let escaped = quoted[..at].ends_with('\\');
        let after = &quoted[at + 1..];
        if after.is_empty() {
            if escaped {
                return Err(not_closed(path, opened_at));
            }
            name.push_str(&quoted[start..at]);
            steps.push(name);
            return Ok("");
        }
        from = at + 1;
        if !after.starts_with('.') {
            continue;
        }
        if escaped {
            name.push_str(&quoted[start..at - 1]);
            name.push('`');
            start = from;
            continue;
        }
        name.push_str(&quoted[start..at]);
        steps.push(name);
        return Ok(&after[1..]);
    }
}

fn not_closed(path: &str, opened_at: usize) -> Error {
    Error::config(format!(
        "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position \
         {opened_at} to escape it"
    ))
}

/// The value at the places of a path, taken out of the struct. Structs on the way count with their defaults, the value
/// itself with or without.
///
/// # Errors
/// `DataException` when something on the way is no struct.
pub(super) fn take(value: &mut Struct, places: &[usize], with_default: bool) -> Result<Value> {
    let [place, deeper @ ..] = places else { return Ok(Value::Null) };
    let schema = std::sync::Arc::clone(value.schema());
    let field: &Field = &schema.fields()[*place];
    let mut cell = std::mem::take(&mut value.cells_mut()[*place]);
    if cell.is_null() && (with_default || !deeper.is_empty()) {
        cell = field.schema.default.clone().unwrap_or_default();
    }
    if deeper.is_empty() || cell.is_null() {
        return Ok(cell);
    }
    require_struct(&cell, NESTED)?;
    match &mut cell {
        Value::Struct(inner) => take(inner, deeper, with_default),
        _ => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths() {
        let check = |path: &str, expect: &[&str]| {
            assert_eq!(FieldPath::parse(path).unwrap().steps, expect, "{path}");
        };
        check("", &[]);
        check("a", &["a"]);
        check("a.b.c", &["a", "b", "c"]);
        check("a.", &["a", ""]);
        check(".a", &["", "a"]);
        check("..", &["", "", ""]);
        check("`a.b`.c", &["a.b", "c"]);
        check("a.`b.c`", &["a", "b.c"]);
        check("a`b.c", &["a`b", "c"]);
        check("`a`b`.c", &["a`b", "c"]);
        check("`a\\`.b`.c", &["a`.b", "c"]);
        check("``", &[""]);
        check("`a`.", &["a", ""]);
        for open in ["`", "`a", "a.`b.c", "`a\\`"] {
            assert!(FieldPath::parse(open).is_err(), "{open}");
        }
    }
}
