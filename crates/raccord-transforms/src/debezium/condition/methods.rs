//! The methods that conditions may call.

use std::borrow::Cow;
use std::str::FromStr;

use raccord_config::JavaRegex;
use raccord_data::{Decimal, Schema};

use super::compare::{equal, same, strictly_equal};
use super::item::Item;
use super::number::Number;
use super::{Failure, Language};

/// Names and counts of arguments in Groovy.
const GROOVY: &[(&str, &[usize])] = &[
    ("compareTo", &[1]),
    ("concat", &[1]),
    ("contains", &[1]),
    ("containsKey", &[1]),
    ("doc", &[0]),
    ("doubleValue", &[0]),
    ("endsWith", &[1]),
    ("equals", &[1]),
    ("equalsIgnoreCase", &[1]),
    ("field", &[1]),
    ("first", &[0]),
    ("get", &[1]),
    ("getArray", &[1]),
    ("getBoolean", &[1]),
    ("getFloat32", &[1]),
    ("getFloat64", &[1]),
    ("getInt16", &[1]),
    ("getInt32", &[1]),
    ("getInt64", &[1]),
    ("getInt8", &[1]),
    ("getMap", &[1]),
    ("getString", &[1]),
    ("getStruct", &[1]),
    ("getWithoutDefault", &[1]),
    ("indexOf", &[1]),
    ("intValue", &[0]),
    ("isBlank", &[0]),
    ("isEmpty", &[0]),
    ("isInteger", &[0]),
    ("isNumber", &[0]),
    ("isOptional", &[0]),
    ("last", &[0]),
    ("lastIndexOf", &[1]),
    ("length", &[0]),
    ("longValue", &[0]),
    ("matches", &[1]),
    ("name", &[0]),
    ("replace", &[2]),
    ("replaceAll", &[2]),
    ("replaceFirst", &[2]),
    ("schema", &[0]),
    ("size", &[0]),
    ("startsWith", &[1]),
    ("substring", &[1, 2]),
    ("toBigDecimal", &[0]),
    ("toDouble", &[0]),
    ("toInteger", &[0]),
    ("toLong", &[0]),
    ("toLowerCase", &[0]),
    ("toString", &[0]),
    ("toUpperCase", &[0]),
    ("trim", &[0]),
    ("version", &[0]),
];

/// Names and counts of arguments in JavaScript.
const JAVA_SCRIPT: &[(&str, &[usize])] = &[
    ("concat", &[1]),
    ("doc", &[0]),
    ("endsWith", &[1]),
    ("field", &[1]),
    ("includes", &[1]),
    ("indexOf", &[1]),
    ("isOptional", &[0]),
    ("lastIndexOf", &[1]),
    ("name", &[0]),
    ("schema", &[0]),
    ("startsWith", &[1]),
    ("substring", &[1, 2]),
    ("test", &[1]),
    ("toLowerCase", &[0]),
    ("toString", &[0]),
    ("toUpperCase", &[0]),
    ("trim", &[0]),
    ("version", &[0]),
];

pub(super) fn is_known(language: Language, method: &str, args: usize) -> bool {
    let known = match language {
        Language::Groovy => GROOVY,
        Language::JavaScript => JAVA_SCRIPT,
    };
    known.iter().any(|(name, counts)| *name == method && counts.contains(&args))
}

/// Whether the first argument of the method is a regular expression.
pub(super) fn takes_regex(method: &str) -> bool {
    matches!(method, "matches" | "replaceAll" | "replaceFirst")
}

type Result<'r> = std::result::Result<Item<'r>, Failure>;

/// A call of a method.
pub(super) struct Call<'c, 'r> {
    pub(super) of: &'c Item<'r>,
    pub(super) method: &'c str,
    pub(super) args: &'c [Item<'r>],
    pub(super) language: Language,
    /// The first argument, compiled, when it is a constant.
    pub(super) regex: Option<&'c JavaRegex>,
}

impl<'r> Call<'_, 'r> {
    pub(super) fn run(&self) -> Result<'r> {
        match self.method {
            "toString" => return Ok(Item::text(self.of.to_text())),
            "equals" => return Ok(Item::Boolean(same(self.of, &self.args[0]))),
            _ => {}
        }
        match self.of {
            Item::Text(text) => self.on_text(text),
            Item::Interpolated(text) => self.on_text(text),
            Item::Number(number) => self.on_number(number),
            Item::List(_) | Item::Array(_) => self.on_list(),
            Item::Map(entries) => {
                let script = self.language == Language::JavaScript;
                let found = self.args.first().and_then(|key| {
                    let found = entries.iter().find(|(other, _)| same(&Item::of(other, script), key));
                    found.map(|(_, value)| Item::of(value, script))
                });
                self.on_keyed(entries.len(), found)
            }
            Item::Headers(headers) => {
                let mut names: Vec<&str> = headers.iter().map(|header| &*header.key).collect();
                names.sort_unstable();
                names.dedup();
                let name = self.args.first().and_then(Item::as_text);
                let found = headers.iter().rev().find(|header| Some(&*header.key) == name);
                self.on_keyed(names.len(), found.map(Item::Header))
            }
            Item::Schema(schema) => self.on_schema(schema),
            Item::Field(field) => match self.method {
                "name" => Ok(Item::text(&*field.name)),
                "schema" => Ok(Item::Schema(&field.schema)),
                _ => Err(self.missing()),
            },
            Item::Struct(value) if self.method == "schema" => Ok(Item::Schema(value.schema())),
            _ => Err(self.missing()),
        }
    }

    fn missing(&self) -> Failure {
        if self.language == Language::JavaScript {
            return Failure::new(
                "org.graalvm.polyglot.PolyglotException",
                format!("TypeError: {} is not a function", self.method),
            );
        }
        let types: Vec<_> =
            self.args.iter().map(|arg| arg.class().rsplit('.').next().unwrap_or_default()).collect();
        Failure::new(
            "groovy.lang.MissingMethodException",
            format!(
                "No signature of method: {}.{}() is applicable for argument types: ({})",
                self.of.class(),
                self.method,
                types.join(", ")
            ),
        )
    }

    fn text_arg(&self, index: usize) -> std::result::Result<Cow<'_, str>, Failure> {
        match &self.args[index] {
            item if self.language == Language::JavaScript => Ok(item.to_text().into()),
            item => item.as_text().map(Cow::Borrowed).ok_or_else(|| self.missing()),
        }
    }

    /// The first argument as a regular expression.
    fn pattern(&self) -> std::result::Result<Cow<'_, JavaRegex>, Failure> {
        match self.regex {
            Some(regex) => Ok(Cow::Borrowed(regex)),
            None => compile(&self.text_arg(0)?).map(Cow::Owned),
        }
    }

    fn on_text(&self, text: &str) -> Result<'r> {
        let units = |text: &str| i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX);
        let int = |number: i32| match self.language {
            Language::Groovy => Ok(Item::Number(Number::Int(number))),
            Language::JavaScript => Ok(Item::Number(Number::Double(number.into()))),
        };
        let place = |found: Option<usize>| int(found.map_or(-1, |place| units(&text[..place])));
        let flag = |flag: bool| Ok(Item::Boolean(flag));
        let new = |text: String| Ok(Item::text(text));
        match self.method {
            "length" | "size" => int(units(text)),
            "isEmpty" => flag(text.is_empty()),
            "isBlank" => flag(text.chars().all(char::is_whitespace)),
            "trim" if self.language == Language::Groovy => new(text.trim_matches(|c| c <= ' ').to_owned()),
            "trim" => new(text.trim().to_owned()),
            "toLowerCase" => new(text.to_lowercase()),
            "toUpperCase" => new(text.to_uppercase()),
            "startsWith" => flag(text.starts_with(&*self.text_arg(0)?)),
            "endsWith" => flag(text.ends_with(&*self.text_arg(0)?)),
            "contains" | "includes" => flag(text.contains(&*self.text_arg(0)?)),
            "equalsIgnoreCase" => match self.args[0].as_text() {
                Some(other) => flag(text.to_lowercase() == other.to_lowercase()),
                None if self.args[0].is_null() => flag(false),
                None => Err(self.missing()),
            },
            "indexOf" => place(text.find(&*self.text_arg(0)?)),
            "lastIndexOf" => place(text.rfind(&*self.text_arg(0)?)),
            "compareTo" => {
                // The difference of the first units that differ, else that of the lengths.
                let other = self.text_arg(0)?;
                let differ = text.encode_utf16().zip(other.encode_utf16()).find(|(a, b)| a != b);
                int(match differ {
                    Some((a, b)) => i32::from(a) - i32::from(b),
                    None => units(text) - units(&other),
                })
            }
            "concat" => new(format!("{text}{}", self.text_arg(0)?)),
            "replace" => {
                let to = self.text_arg(1)?;
                new(text.replace(&*self.text_arg(0)?, &to))
            }
            "matches" => self.pattern()?.full_match(text).map(Item::Boolean).map_err(Failure::from),
            "replaceAll" | "replaceFirst" => {
                let regex = self.pattern()?;
                let replacement = regex.replacement(&self.text_arg(1)?);
                let all = self.method == "replaceAll";
                let replaced = match all {
                    true => regex.replace_all(text, &replacement),
                    false => regex.replace_first(text, &replacement),
                };
                replaced.map(Item::text).map_err(Failure::from)
            }
            "substring" => self.substring(text),
            "toInteger" | "toLong" | "toDouble" | "toBigDecimal" | "isNumber" | "isInteger" => {
                self.text_as_number(text.trim())
            }
            _ => Err(self.missing()),
        }
    }

    fn substring(&self, text: &str) -> Result<'r> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let place = |index: usize| match self.args.get(index) {
            None => Ok(units.len() as i64),
            Some(Item::Number(number)) => Ok(number.to_i64()),
            Some(_) => Err(self.missing()),
        };
        let (mut start, mut end) = (place(0)?, place(1)?);
        let length = units.len() as i64;
        if self.language == Language::JavaScript {
            (start, end) = (start.clamp(0, length), end.clamp(0, length));
            (start, end) = (start.min(end), start.max(end));
        }
        if start < 0 || end > length || start > end {
            return Err(Failure::new(
                "java.lang.StringIndexOutOfBoundsException",
                format!("begin {start}, end {end}, length {length}"),
            ));
        }
        // Both lie within the text.
        Ok(Item::text(String::from_utf16_lossy(&units[start as usize..end as usize])))
    }

    fn text_as_number(&self, text: &str) -> Result<'r> {
        let plain = text.strip_prefix('+').unwrap_or(text);
        let number = match self.method {
            "isNumber" => return Ok(Item::Boolean(Decimal::from_str(text).is_ok())),
            "isInteger" => return Ok(Item::Boolean(plain.parse::<i32>().is_ok())),
            "toInteger" => plain.parse().ok().map(Number::Int),
            "toLong" => plain.parse().ok().map(Number::Long),
            "toDouble" => plain.parse().ok().map(Number::Double),
            _ => Decimal::from_str(text).ok().map(Number::Decimal),
        };
        number.map(Item::Number).ok_or_else(|| {
            Failure::new(
                "java.lang.NumberFormatException",
                format!("The text is no number for {}()", self.method),
            )
        })
    }

    fn on_number(&self, number: &Number) -> Result<'r> {
        Ok(Item::Number(match self.method {
            "toInteger" | "intValue" => Number::Int(match number {
                Number::Float(_) | Number::Double(_) => number.to_f64() as i32,
                // Java takes the low bits.
                _ => number.to_i64() as i32,
            }),
            "toLong" | "longValue" => Number::Long(number.to_i64()),
            "toDouble" | "doubleValue" => Number::Double(number.to_f64()),
            "toBigDecimal" => {
                let text = number.to_string();
                Number::Decimal(Decimal::from_str(&text).map_err(|_| self.missing())?)
            }
            _ => return Err(self.missing()),
        }))
    }

    fn on_list(&self) -> Result<'r> {
        let script = self.language == Language::JavaScript;
        let items = self.of.elements(script).unwrap_or_default();
        let int = |number: usize| Ok(Item::Number(Number::Int(i32::try_from(number).unwrap_or(i32::MAX))));
        let none = |what: &str| {
            Failure::new(
                "java.util.NoSuchElementException",
                format!("Cannot access {what}() element from an empty List"),
            )
        };
        match self.method {
            "size" => int(items.len()),
            "isEmpty" => Ok(Item::Boolean(items.is_empty())),
            "contains" => Ok(Item::Boolean(items.iter().any(|item| same(item, &self.args[0])))),
            "includes" => Ok(Item::Boolean(items.iter().any(|item| strictly_equal(item, &self.args[0])))),
            "indexOf" => {
                let found = items.iter().position(|item| match script {
                    true => strictly_equal(item, &self.args[0]),
                    false => same(item, &self.args[0]),
                });
                let found = found.map_or(-1, |found| i32::try_from(found).unwrap_or(i32::MAX));
                Ok(Item::Number(if script { Number::Double(found.into()) } else { Number::Int(found) }))
            }
            "first" => items.into_iter().next().ok_or_else(|| none("first")),
            "last" => items.into_iter().next_back().ok_or_else(|| none("last")),
            "get" => {
                let Item::Number(index) = &self.args[0] else { return Err(self.missing()) };
                let (index, length) = (index.to_i64(), items.len());
                let item = usize::try_from(index).ok().and_then(|index| items.into_iter().nth(index));
                item.ok_or_else(|| {
                    Failure::new(
                        "java.lang.IndexOutOfBoundsException",
                        format!("Index {index} out of bounds for length {length}"),
                    )
                })
            }
            _ => Err(self.missing()),
        }
    }

    fn on_keyed(&self, size: usize, found: Option<Item<'r>>) -> Result<'r> {
        match self.method {
            "get" => Ok(found.unwrap_or(Item::Null)),
            "containsKey" => Ok(Item::Boolean(found.is_some())),
            "size" => Ok(Item::Number(Number::Int(i32::try_from(size).unwrap_or(i32::MAX)))),
            "isEmpty" => Ok(Item::Boolean(size == 0)),
            _ => Err(self.missing()),
        }
    }

    fn on_schema(&self, schema: &'r Schema) -> Result<'r> {
        Ok(match self.method {
            "name" => Item::optional_text(schema.name.as_ref()),
            "doc" => Item::optional_text(schema.doc.as_ref()),
            "version" => schema.version.map_or(Item::Null, |version| Item::Number(Number::Int(version))),
            "isOptional" => Item::Boolean(schema.optional),
            "field" => {
                let name = self.text_arg(0)?;
                let found = schema.fields().iter().find(|field| *field.name == *name);
                found.map_or(Item::Null, Item::Field)
            }
            _ => return Err(self.missing()),
        })
    }
}

pub(super) fn compile(pattern: &str) -> std::result::Result<JavaRegex, Failure> {
    JavaRegex::new(pattern)
        .map_err(|error| Failure::new("java.util.regex.PatternSyntaxException", error.to_string()))
}

/// Groovy's `x in y`.
pub(super) fn is_in<'r>(item: &Item<'r>, of: &Item<'r>) -> bool {
    match of {
        Item::List(_) | Item::Array(_) => {
            of.elements(false).unwrap_or_default().iter().any(|other| same(other, item))
        }
        Item::Map(entries) => {
            let found = entries.iter().find(|(key, _)| same(&Item::of(key, false), item));
            found.is_some_and(|(_, value)| Item::of(value, false).is_true())
        }
        Item::Text(text) => !item.is_null() && **text == *item.to_text(),
        Item::Interpolated(text) => !item.is_null() && *text == item.to_text(),
        _ => equal(item, of),
    }
}
