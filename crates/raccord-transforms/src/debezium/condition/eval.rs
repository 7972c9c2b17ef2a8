//! What a condition is worth for a record.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use raccord_data::{Record, Schema, Struct, Value};

use super::compare::{equal, loosely_equal, order, order_loosely, strictly_equal, to_number};
use super::item::Item;
use super::methods::{Call, compile, is_in};
use super::number::{Number, Operation};
use super::tree::{Node, Place, Sign, Variable};
use super::{Failure, Language};

type Result<'r> = std::result::Result<Item<'r>, Failure>;

pub(super) struct Evaluation<'r> {
    pub(super) record: &'r Record,
    pub(super) language: Language,
}

impl<'r> Evaluation<'r> {
    fn script(&self) -> bool {
        self.language == Language::JavaScript
    }

    fn truth(&self, item: &Item<'_>) -> bool {
        if self.script() { item.is_truthy() } else { item.is_true() }
    }

    pub(super) fn of(&self, node: &'r Node) -> Result<'r> {
        Ok(match node {
            Node::Null => Item::Null,
            Node::Undefined => Item::Undefined,
            Node::Boolean(flag) => Item::Boolean(*flag),
            Node::Number(number) => Item::Number(number.clone()),
            Node::Text(text) => Item::text(text.as_str()),
            Node::Template(nodes) => {
                let mut text = String::new();
                for node in nodes {
                    self.of(node)?.append_to(&mut text);
                }
                if self.script() { Item::text(text) } else { Item::Interpolated(text) }
            }
            // It is only of use as what `test` is called on.
            Node::Pattern(regex) => Item::text(regex.as_str()),
            Node::List(nodes) => {
                Item::List(nodes.iter().map(|node| self.of(node)).collect::<std::result::Result<_, _>>()?)
            }
            Node::Variable(variable) => self.variable(*variable),
            Node::Property { of, name, safe, place } => {
                let of = self.of(of)?;
                if of.is_null() && *safe { Item::Null } else { self.property(&of, name, place)? }
            }
            Node::Index { of, index, safe, place } => {
                let of = self.of(of)?;
                if of.is_null() && *safe {
                    return Ok(Item::Null);
                }
                let index = self.of(index)?;
                self.index(&of, &index, place)?
            }
            Node::Call { .. } => self.call(node)?,
            Node::Not(node) => Item::Boolean(!self.truth(&self.of(node)?)),
            Node::Negative(node) => self.negative(&self.of(node)?)?,
            Node::And(left, right) => self.both(left, right, false)?,
            Node::Or(left, right) => self.both(left, right, true)?,
            Node::Else { first, other, null_only } => {
                let item = self.of(first)?;
                let taken = if *null_only { !item.is_null() } else { self.truth(&item) };
                if taken { item } else { self.of(other)? }
            }
            Node::Choice(test, then, other) => {
                let taken = self.truth(&self.of(test)?);
                self.of(if taken { then } else { other })?
            }
            Node::Binary { sign, left, right, regex } => {
                let (left, right) = (self.of(left)?, self.of(right)?);
                match sign {
                    Sign::Finds | Sign::Matches => {
                        let compiled;
                        let pattern = match regex {
                            Some(regex) => regex,
                            None => {
                                compiled = compile(&right.to_text())?;
                                &compiled
                            }
                        };
                        let text = left.as_text().map_or_else(|| Cow::Owned(left.to_text()), Cow::Borrowed);
                        match sign {
                            Sign::Finds => Item::Found(pattern.find(&text)?),
                            _ => Item::Boolean(pattern.full_match(&text)?),
                        }
                    }
                    _ => self.binary(*sign, &left, &right)?,
                }
            }
        })
    }

    fn variable(&self, variable: Variable) -> Item<'r> {
        let schema = |schema: &'r Option<Arc<Schema>>| schema.as_ref().map_or(Item::Null, Item::Schema);
        match variable {
            Variable::Value => self.part(&self.record.value),
            Variable::Key => self.part(&self.record.key),
            Variable::ValueSchema => schema(&self.record.value_schema),
            Variable::KeySchema => schema(&self.record.key_schema),
            Variable::Topic => Item::text(&*self.record.topic),
            Variable::Header => Item::Headers(&self.record.headers),
        }
    }

    /// The record's value or key. JavaScript is given an object around the struct, also where there is none.
    fn part(&self, value: &'r Value) -> Item<'r> {
        if value.is_null() && self.script() { Item::Hollow } else { Item::of(value, self.script()) }
    }

    /// What there is where nothing is found.
    fn nothing(&self) -> Item<'r> {
        if self.script() { Item::Undefined } else { Item::Null }
    }

    fn both(&self, left: &'r Node, right: &'r Node, settles: bool) -> Result<'r> {
        let item = self.of(left)?;
        // JavaScript hands on the value that settled it, Groovy says yes or no.
        match (self.truth(&item) == settles, self.script()) {
            (true, true) => Ok(item),
            (true, false) => Ok(Item::Boolean(settles)),
            (false, true) => self.of(right),
            (false, false) => Ok(Item::Boolean(self.truth(&self.of(right)?))),
        }
    }

    fn negative(&self, item: &Item<'r>) -> Result<'r> {
        match item {
            item if self.script() => Ok(Item::Number(Number::Double(-to_number(item)))),
            Item::Number(number) => Ok(Item::Number(number.negated())),
            item => Err(no_operator(item, "negative", None)),
        }
    }

    fn property(&self, of: &Item<'r>, name: &str, place: &Place) -> Result<'r> {
        let missing = || {
            if self.script() {
                return Ok(Item::Undefined);
            }
            Err(Failure::new(
                "groovy.lang.MissingPropertyException",
                format!("No such property: {name} for class: {}", of.class()),
            ))
        };
        match of {
            Item::Null | Item::Undefined if self.script() => Err(Failure::new(
                "org.graalvm.polyglot.PolyglotException",
                format!("TypeError: Cannot read property '{name}' of {}", of.class()),
            )),
            Item::Hollow => Err(Failure::new(
                "java.lang.NullPointerException",
                "Cannot invoke \"org.apache.kafka.connect.data.Struct.schema()\" because \"this.val$struct\" is null"
                    .to_owned(),
            )),
            Item::Null => Err(Failure::new(
                "java.lang.NullPointerException",
                format!("Cannot get property '{name}' on null object"),
            )),
            Item::Struct(value) => self.field(value, name, place),
            Item::Map(entries) => {
                let found = entries.iter().find(|(key, _)| key.as_str() == Some(name));
                Ok(found.map_or(Item::Null, |(_, value)| Item::of(value, self.script())))
            }
            Item::Headers(headers) => {
                let found = headers.iter().rev().find(|header| *header.key == *name);
                Ok(found.map_or_else(|| self.nothing(), Item::Header))
            }
            Item::Header(header) => match name {
                "value" => Ok(Item::of(&header.value, self.script())),
                "schema" => Ok(header.schema.as_ref().map_or(Item::Null, Item::Schema)),
                _ => missing(),
            },
            Item::Schema(schema) if !self.script() => match name {
                "name" => Ok(Item::optional_text(schema.name.as_ref())),
                "doc" => Ok(Item::optional_text(schema.doc.as_ref())),
                "version" => {
                    Ok(schema.version.map_or(Item::Null, |version| Item::Number(Number::Int(version))))
                }
                "optional" => Ok(Item::Boolean(schema.optional)),
                _ => missing(),
            },
            Item::Text(_) | Item::List(_) | Item::Array(_) if self.script() && name == "length" => {
                let length = match of.elements(true) {
                    Some(items) => items.len(),
                    None => of.to_text().encode_utf16().count(),
                };
                Ok(Item::Number(Number::Double(length as f64)))
            }
            Item::Text(text) if name == "empty" => Ok(Item::Boolean(text.is_empty())),
            Item::List(_) | Item::Array(_) if name == "empty" => {
                Ok(Item::Boolean(of.elements(false).is_none_or(|items| items.is_empty())))
            }
            _ => missing(),
        }
    }

    /// A field as `Struct.get` reads it: a null stands for the default.
    fn field(&self, value: &'r Struct, name: &str, place: &Place) -> Result<'r> {
        let Some(index) = place.of(value.schema(), name) else {
            if self.script() {
                return Ok(Item::Undefined);
            }
            return Err(Failure::new(
                "org.apache.kafka.connect.errors.DataException",
                format!("{name} is not a valid field name"),
            ));
        };
        let cell = &value.cells()[index];
        let default = value.schema().fields()[index].schema.default.as_ref();
        let cell = default.filter(|_| cell.is_null()).unwrap_or(cell);
        Ok(Item::of(cell, self.script()))
    }

    fn index(&self, of: &Item<'r>, index: &Item<'r>, place: &Place) -> Result<'r> {
        if let Some(name) = index.as_text() {
            return self.property(of, name, place);
        }
        let Item::Number(number) = index else { return Err(no_operator(of, "getAt", Some(index))) };
        if let Item::Map(entries) = of {
            let found =
                entries.iter().find(|(key, _)| super::compare::same(&Item::of(key, self.script()), index));
            return Ok(found.map_or(Item::Null, |(_, value)| Item::of(value, self.script())));
        }
        let mut place = number.to_i64();
        let items = match of.elements(self.script()) {
            Some(items) => items,
            None => match of.as_text() {
                Some(text) => text.chars().map(|c| Item::text(c.to_string())).collect(),
                None => return Err(no_operator(of, "getAt", Some(index))),
            },
        };
        let length = items.len();
        if place < 0 && !self.script() {
            // Groovy counts from the end.
            place += length as i64;
        }
        match usize::try_from(place).ok().and_then(|place| items.into_iter().nth(place)) {
            Some(item) => Ok(item),
            None if self.script() || (place >= 0 && of.as_text().is_none()) => Ok(self.nothing()),
            None => Err(Failure::new(
                "java.lang.IndexOutOfBoundsException",
                format!("Index {place} out of bounds for length {length}"),
            )),
        }
    }

    fn call(&self, node: &'r Node) -> Result<'r> {
        let Node::Call { of, method, args, safe, place, regex } = node else { return Ok(Item::Null) };
        if let (Node::Pattern(pattern), "test") = (&**of, method.as_str()) {
            let text = self.of(&args[0])?.to_text();
            return Ok(Item::Boolean(pattern.find(&text)?));
        }
        let of = self.of(of)?;
        if of.is_null() {
            if *safe {
                return Ok(Item::Null);
            }
            if self.script() {
                return self.property(&of, method, place);
            }
            if !matches!(method.as_str(), "equals" | "toString") {
                return Err(Failure::new(
                    "java.lang.NullPointerException",
                    format!("Cannot invoke method {method}() on null object"),
                ));
            }
        }
        let args = args.iter().map(|arg| self.of(arg)).collect::<std::result::Result<Vec<_>, _>>()?;
        if let (Item::Struct(value), true) = (&of, method.starts_with("get"))
            && let Some(name) = args.first().and_then(Item::as_text)
            && !self.script()
        {
            return self.getter(value, method, name, place);
        }
        Call { of: &of, method, args: &args, language: self.language, regex: regex.as_ref() }.run()
    }

    /// `get`, `getString` and the like of a struct.
    fn getter(&self, value: &'r Struct, method: &str, name: &str, place: &Place) -> Result<'r> {
        if method == "getWithoutDefault" {
            let index = place.of(value.schema(), name);
            let cell = index.map(|index| Item::of(&value.cells()[index], false));
            return cell.map_or_else(|| self.field(value, name, place), Ok);
        }
        let item = self.field(value, name, place)?;
        let wanted = method.trim_start_matches("get").to_uppercase();
        let field = place.of(value.schema(), name).map(|index| &value.schema().fields()[index]);
        match field {
            Some(field) if !wanted.is_empty() && field.schema.ty.java_name() != wanted => Err(Failure::new(
                "org.apache.kafka.connect.errors.DataException",
                format!("Field '{name}' is not of type {wanted}"),
            )),
            _ => Ok(item),
        }
    }

    fn binary(&self, sign: Sign, left: &Item<'r>, right: &Item<'r>) -> Result<'r> {
        let flag = |flag: bool| Ok(Item::Boolean(flag));
        let is_equal =
            |left, right| if self.script() { loosely_equal(left, right) } else { equal(left, right) };
        match sign {
            Sign::Equal => flag(is_equal(left, right)),
            Sign::NotEqual => flag(!is_equal(left, right)),
            Sign::Same => flag(strictly_equal(left, right)),
            Sign::NotSame => flag(!strictly_equal(left, right)),
            Sign::In => flag(is_in(left, right)),
            Sign::NotIn => flag(!is_in(left, right)),
            Sign::Less | Sign::LessOrEqual | Sign::Greater | Sign::GreaterOrEqual | Sign::Compare => {
                let order = match self.script() {
                    true => order_loosely(left, right),
                    false => order(left, right)?,
                };
                let holds = |test: fn(Ordering) -> bool| flag(order.is_some_and(test));
                match sign {
                    Sign::Less => holds(Ordering::is_lt),
                    Sign::LessOrEqual => holds(Ordering::is_le),
                    Sign::Greater => holds(Ordering::is_gt),
                    Sign::GreaterOrEqual => holds(Ordering::is_ge),
                    _ => Ok(Item::Number(Number::Int(order.map_or(1, |order| order as i32)))),
                }
            }
            Sign::Add if self.script() => Ok(match (left, right) {
                (
                    Item::Number(_) | Item::Boolean(_) | Item::Null | Item::Undefined,
                    Item::Number(_) | Item::Boolean(_) | Item::Null | Item::Undefined,
                ) => Item::Number(Number::Double(to_number(left) + to_number(right))),
                _ => Item::text(format!("{}{}", script_text(left), script_text(right))),
            }),
            Sign::Add => add(left, right),
            Sign::Subtract => self.compute(Operation::Subtract, "minus", left, right),
            Sign::Multiply => self.compute(Operation::Multiply, "multiply", left, right),
            Sign::Divide => self.compute(Operation::Divide, "div", left, right),
            Sign::Remainder => self.compute(Operation::Remainder, "mod", left, right),
            // They were dealt with where the pattern is at hand.
            Sign::Finds | Sign::Matches => Ok(Item::Null),
        }
    }

    fn compute(&self, operation: Operation, method: &str, left: &Item<'r>, right: &Item<'r>) -> Result<'r> {
        let numbers = match (left, right) {
            (left, right) if self.script() => {
                (Number::Double(to_number(left)), Number::Double(to_number(right)))
            }
            (Item::Number(left), Item::Number(right)) => (left.clone(), right.clone()),
            _ => return Err(no_operator(left, method, Some(right))),
        };
        numbers.0.compute(operation, &numbers.1).map(Item::Number).ok_or_else(|| {
            let message =
                if matches!(operation, Operation::Divide) { "Division by zero" } else { "/ by zero" };
            Failure::new("java.lang.ArithmeticException", message.to_owned())
        })
    }
}

fn add<'r>(left: &Item<'r>, right: &Item<'r>) -> Result<'r> {
    match (left, right) {
        (Item::Number(left), Item::Number(right)) => {
            let sum = left.compute(Operation::Add, right);
            Ok(sum.map_or(Item::Null, Item::Number))
        }
        (Item::Interpolated(text), right) => Ok(Item::Interpolated(format!("{text}{}", right.to_text()))),
        (Item::Text(text), right) => Ok(Item::text(format!("{text}{}", right.to_text()))),
        (Item::Number(_) | Item::Null, right) if right.as_text().is_some() => {
            Ok(Item::text(format!("{}{}", left.to_text(), right.to_text())))
        }
        _ => Err(no_operator(left, "plus", Some(right))),
    }
}

/// JavaScript writes whole numbers without a point.
fn script_text(item: &Item<'_>) -> String {
    match item {
        Item::Number(Number::Double(number)) if number.is_nan() => "NaN".to_owned(),
        Item::Number(Number::Double(number)) if number.is_infinite() => {
            if *number > 0.0 {
                "Infinity".to_owned()
            } else {
                "-Infinity".to_owned()
            }
        }
        Item::Number(number) => {
            let number = number.to_f64();
            match number.abs() {
                1e-6..1e21 | 0.0 => format!("{number}"),
                1e21.. => format!("{number:e}").replace('e', "e+"),
                _ => format!("{number:e}"),
            }
        }
        other => other.to_text(),
    }
}

fn no_operator(left: &Item<'_>, method: &str, right: Option<&Item<'_>>) -> Failure {
    if left.is_null() {
        let message = match (method, right) {
            // Groovy shows the value.
            ("plus", Some(right)) => format!("Cannot execute null+{}", right.class()),
            _ => format!("Cannot invoke method {method}() on null object"),
        };
        return Failure::new("java.lang.NullPointerException", message);
    }
    if matches!((left, right), (Item::Number(_), Some(Item::Null))) {
        return Failure::new(
            "groovy.lang.GroovyRuntimeException",
            format!("Ambiguous method overloading for method {}#{method}", left.class()),
        );
    }
    let right = right.map_or("", |right| right.class().rsplit('.').next().unwrap_or_default());
    Failure::new(
        "groovy.lang.MissingMethodException",
        format!(
            "No signature of method: {}.{method}() is applicable for argument types: ({right})",
            left.class()
        ),
    )
}
