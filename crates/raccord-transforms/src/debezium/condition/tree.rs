//! A condition as a tree. Fields are looked up once for each schema that a place in the tree meets.

use std::cell::RefCell;
use std::sync::Arc;

use raccord_config::JavaRegex;
use raccord_data::Schema;

use super::number::Number;

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Undefined,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// Texts with values in them: a `GString` of Groovy, a template of JavaScript.
    Template(Vec<Node>),
    Pattern(JavaRegex),
    List(Vec<Node>),
    Variable(Variable),
    Property {
        of: Box<Node>,
        name: String,
        safe: bool,
        place: Place,
    },
    Index {
        of: Box<Node>,
        index: Box<Node>,
        safe: bool,
        place: Place,
    },
    Call {
        of: Box<Node>,
        method: String,
        args: Vec<Node>,
        safe: bool,
        place: Place,
        regex: Option<JavaRegex>,
    },
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `a ?: b` takes what is true, `a ?? b` what is not null.
    Else {
        first: Box<Node>,
        other: Box<Node>,
        null_only: bool,
    },
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Binary {
        sign: Sign,
        left: Box<Node>,
        right: Box<Node>,
        regex: Option<JavaRegex>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Value,
    Key,
    ValueSchema,
    KeySchema,
    Topic,
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    NotEqual,
    /// `===` of JavaScript.
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Compare,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    In,
    NotIn,
    /// `=~`.
    Finds,
    /// `==~`.
    Matches,
}

/// Where a field lies in the schema that was seen last at this place of the tree.
#[derive(Debug, Default)]
pub(super) struct Place(RefCell<Option<(Arc<Schema>, Option<usize>)>>);

impl Place {
    pub(super) fn of(&self, schema: &Arc<Schema>, name: &str) -> Option<usize> {
        let mut known = self.0.borrow_mut();
        match &*known {
            Some((seen, index)) if Arc::ptr_eq(seen, schema) => *index,
            _ => {
                let index = schema.index_of(name);
                *known = Some((Arc::clone(schema), index));
                index
            }
        }
    }
}
