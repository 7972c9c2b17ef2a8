//! Reads a condition. What Groovy and JavaScript have beyond the subset is refused by name and place.

use std::str::FromStr;

use num_bigint::BigInt;
use raccord_config::JavaRegex;
use raccord_data::Decimal;

use super::lexer::{Lexer, TextPart, Token};
use super::methods;
use super::number::Number;
use super::tree::{Node, Place, Sign, Variable};
use super::{Language, Unsupported};

/// Digits behind the point, or zeros before it, that a number may have: computing with more takes long.
const SCALE_MAX: u32 = 400;
/// Deeper nesting is refused.
const DEPTH_MAX: usize = 60;

type Result<T> = std::result::Result<T, Unsupported>;

pub(super) fn parse(text: &str, language: Language) -> Result<Node> {
    let mut parser = Parser::new(text, language, 0)?;
    if parser.token == Token::Name("return".to_owned()) {
        parser.advance()?;
    }
    let node = parser.expression()?;
    while parser.takes(";")? {}
    if parser.token != Token::End {
        return Err(parser.unexpected());
    }
    Ok(node)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token,
    /// Where the token begins, bytes of the whole condition.
    at: usize,
    /// Where the text begins in the condition.
    offset: usize,
    language: Language,
    depth: usize,
}

/// Signs of two operands, those that bind least first.
const LEVELS: &[&[&str]] = &[
    &["=~", "==~"],
    &["==", "!=", "===", "!==", "<=>"],
    &["<", "<=", ">", ">=", "in", "!in", "instanceof"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'t> Parser<'t> {
    fn new(text: &'t str, language: Language, offset: usize) -> Result<Self> {
        let mut lexer = Lexer::new(text, language);
        let (token, at) = lexer.token().map_err(|error| error.moved(offset))?;
        Ok(Self { lexer, token, at: at + offset, offset, language, depth: 0 })
    }

    fn advance(&mut self) -> Result<Token> {
        let (token, at) = self.lexer.token().map_err(|error| error.moved(self.offset))?;
        self.at = at + self.offset;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn takes(&mut self, sign: &str) -> Result<bool> {
        let found = matches!(&self.token, Token::Sign(other) if *other == sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.takes(sign)? { Ok(()) } else { Err(self.expected(&format!("'{sign}'"))) }
    }

    fn groovy(&self) -> bool {
        self.language == Language::Groovy
    }

    fn refuse(&self, what: impl Into<String>) -> Unsupported {
        Unsupported::at(self.at, what.into())
    }

    fn shown(&self) -> String {
        match &self.token {
            Token::Name(name) => format!("'{name}'"),
            Token::Number(number) => format!("'{number}'"),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::Text(_) => "a text".to_owned(),
            Token::Pattern(..) => "a pattern".to_owned(),
            Token::End => "the end".to_owned(),
        }
    }

    fn unexpected(&self) -> Unsupported {
        self.refuse(match &self.token {
            Token::Sign("=" | "+=" | "-=" | "++" | "--") => "an assignment".to_owned(),
            Token::Sign("->" | "=>" | "{") => "a closure or a block".to_owned(),
            Token::Sign(";") => "more than one statement".to_owned(),
            _ => format!("{} in this place", self.shown()),
        })
    }

    fn expected(&self, what: &str) -> Unsupported {
        match &self.token {
            Token::Sign("=" | "+=" | "-=" | "++" | "--" | "->" | "=>" | "{") => self.unexpected(),
            _ => self.refuse(format!("{} where {what} is expected", self.shown())),
        }
    }

    fn expression(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.refuse(format!("nesting of more than {DEPTH_MAX} levels")));
        }
        let first = self.or()?;
        let node = if self.takes("?")? {
            let then = self.expression()?;
            self.expect(":")?;
            Node::Choice(Box::new(first), Box::new(then), Box::new(self.expression()?))
        } else if self.groovy() && self.takes("?:")? {
            Node::Else { first: Box::new(first), other: Box::new(self.expression()?), null_only: false }
        } else if !self.groovy() && self.takes("??")? {
            Node::Else { first: Box::new(first), other: Box::new(self.expression()?), null_only: true }
        } else {
            first
        };
        self.depth -= 1;
        Ok(node)
    }

    fn or(&mut self) -> Result<Node> {
        let mut node = self.and()?;
        while self.takes("||")? {
            node = Node::Or(Box::new(node), Box::new(self.and()?));
        }
        Ok(node)
    }

    fn and(&mut self) -> Result<Node> {
        let mut node = self.binary(0)?;
        while self.takes("&&")? {
            node = Node::And(Box::new(node), Box::new(self.binary(0)?));
        }
        Ok(node)
    }

    /// The sign of this level that stands here, taken.
    fn sign(&mut self, level: usize) -> Result<Option<&'static str>> {
        let signs = LEVELS[level];
        let found = match &self.token {
            Token::Sign("!") if self.groovy() && signs.contains(&"!in") => {
                // `!in` is one sign, though the lexer sees two.
                let rest = self.lexer_rest();
                rest.strip_prefix("in")
                    .filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
                    .map(|_| "!in")
            }
            Token::Sign(sign) => signs.iter().find(|other| *other == sign).copied(),
            Token::Name(name) => signs.iter().find(|other| *other == name).copied(),
            _ => None,
        };
        if found.is_some() {
            self.advance()?;
            if found == Some("!in") {
                self.advance()?;
            }
        }
        Ok(found)
    }

    fn lexer_rest(&self) -> &'t str {
        self.lexer.rest()
    }

    fn binary(&mut self, level: usize) -> Result<Node> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut node = self.binary(level + 1)?;
        loop {
            let at = self.at;
            let Some(sign) = self.sign(level)? else { return Ok(node) };
            let sign = self.meaning(sign, at)?;
            let right = self.binary(level + 1)?;
            let regex = match (&right, sign) {
                (Node::Text(pattern), Sign::Finds | Sign::Matches) => Some(regex(pattern, at)?),
                _ => None,
            };
            node = Node::Binary { sign, left: Box::new(node), right: Box::new(right), regex };
        }
    }

    fn meaning(&self, sign: &str, at: usize) -> Result<Sign> {
        let refuse = |what: &str| Err(Unsupported::at(at, what.to_owned()));
        Ok(match (sign, self.language) {
            ("==", _) => Sign::Equal,
            ("!=", _) => Sign::NotEqual,
            ("===", Language::JavaScript) => Sign::Same,
            ("!==", Language::JavaScript) => Sign::NotSame,
            ("===" | "!==", Language::Groovy) => {
                return refuse("'===', which compares identities in Groovy (write '==')");
            }
            ("<", _) => Sign::Less,
            ("<=", _) => Sign::LessOrEqual,
            (">", _) => Sign::Greater,
            (">=", _) => Sign::GreaterOrEqual,
            ("<=>", Language::Groovy) => Sign::Compare,
            ("+", _) => Sign::Add,
            ("-", _) => Sign::Subtract,
            ("*", _) => Sign::Multiply,
            ("/", _) => Sign::Divide,
            ("%", _) => Sign::Remainder,
            ("in", Language::Groovy) => Sign::In,
            ("!in", Language::Groovy) => Sign::NotIn,
            ("=~", Language::Groovy) => Sign::Finds,
            ("==~", Language::Groovy) => Sign::Matches,
            (other, _) => return refuse(&format!("'{other}'")),
        })
    }

    fn unary(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.refuse(format!("nesting of more than {DEPTH_MAX} levels")));
        }
        let node = if self.takes("!")? {
            Node::Not(Box::new(self.unary()?))
        } else if self.takes("-")? {
            Node::Negative(Box::new(self.unary()?))
        } else if self.takes("+")? {
            self.unary()?
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn postfix(&mut self) -> Result<Node> {
        let mut node = self.primary()?;
        loop {
            let of = |node: Node| Box::new(node);
            if self.takes("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                node = Node::Index { of: of(node), index: of(index), safe: false, place: Place::default() };
                continue;
            }
            let safe = matches!(self.token, Token::Sign("?."));
            if !safe && self.token != Token::Sign(".") {
                return Ok(node);
            }
            self.advance()?;
            if safe && !self.groovy() && self.takes("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                node = Node::Index { of: of(node), index: of(index), safe, place: Place::default() };
                continue;
            }
            let at = self.at;
            let name = match self.advance()? {
                Token::Name(name) => name,
                Token::Text(parts) if self.groovy() => match parts.as_slice() {
                    [TextPart::Plain(name)] => name.clone(),
                    _ => return Err(Unsupported::at(at, "a name with values in it".to_owned())),
                },
                _ => return Err(Unsupported::at(at, "what follows '.', which must be a name".to_owned())),
            };
            if self.token == Token::Sign("(") {
                let args = self.arguments()?;
                node = self.call(node, name, args, safe, at)?;
            } else if self.groovy() && name == "class" {
                return Err(Unsupported::at(at, "the property class".to_owned()));
            } else {
                node = Node::Property { of: of(node), name, safe, place: Place::default() };
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Node>> {
        self.expect("(")?;
        let mut args = Vec::new();
        while !self.takes(")")? {
            args.push(self.expression()?);
            if self.token != Token::Sign(")") {
                self.expect(",")?;
            }
        }
        Ok(args)
    }

    fn call(&self, of: Node, method: String, args: Vec<Node>, safe: bool, at: usize) -> Result<Node> {
        if !methods::is_known(self.language, &method, args.len()) {
            return Err(Unsupported::at(at, format!("the method {method} with {} arguments", args.len())));
        }
        let regex = match args.first() {
            Some(Node::Text(pattern)) if self.groovy() && methods::takes_regex(&method) => {
                Some(regex(pattern, at)?)
            }
            _ => None,
        };
        Ok(Node::Call { of: Box::new(of), method, args, safe, place: Place::default(), regex })
    }

    fn primary(&mut self) -> Result<Node> {
        let at = self.at;
        match self.advance()? {
            Token::Sign("(") => {
                let node = self.expression()?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Sign("[") => {
                let mut items = Vec::new();
                while !self.takes("]")? {
                    items.push(self.expression()?);
                    if self.token != Token::Sign("]") {
                        self.expect(",")?;
                    }
                }
                Ok(Node::List(items))
            }
            Token::Number(digits) => self.number(&digits, at),
            Token::Text(parts) => self.template(parts),
            Token::Pattern(parts, flags) => self.pattern(&parts, &flags, at),
            Token::Name(name) => self.name(&name, at),
            token => {
                self.token = token;
                self.at = at;
                Err(self.expected("a value"))
            }
        }
    }

    fn name(&self, name: &str, at: usize) -> Result<Node> {
        Ok(match name {
            "null" => Node::Null,
            "undefined" if !self.groovy() => Node::Undefined,
            "true" => Node::Boolean(true),
            "false" => Node::Boolean(false),
            "value" => Node::Variable(Variable::Value),
            "key" => Node::Variable(Variable::Key),
            "valueSchema" => Node::Variable(Variable::ValueSchema),
            "keySchema" => Node::Variable(Variable::KeySchema),
            "topic" => Node::Variable(Variable::Topic),
            "header" => Node::Variable(Variable::Header),
            "if" | "def" | "var" | "let" | "const" | "for" | "while" | "function" | "new" | "import"
            | "return" | "switch" | "try" | "throw" | "assert" | "class" | "typeof" => {
                return Err(Unsupported::at(at, format!("'{name}': a condition is one expression")));
            }
            _ if self.token == Token::Sign("(") => {
                return Err(Unsupported::at(at, format!("the function {name}")));
            }
            _ => {
                return Err(Unsupported::at(
                    at,
                    format!(
                        "the name '{name}' (known are value, key, valueSchema, keySchema, topic and header)"
                    ),
                ));
            }
        })
    }

    fn number(&self, digits: &str, at: usize) -> Result<Node> {
        let wrong = || Unsupported::at(at, format!("the number {digits}"));
        if !self.groovy() {
            let number = digits.trim_end_matches('n').parse::<f64>().map_err(|_| wrong())?;
            return Ok(Node::Number(Number::Double(number)));
        }
        let plain = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let suffix = &digits[plain.len()..];
        let octal = plain.len() > 1 && plain.starts_with('0') && !plain.contains('.');
        if octal {
            return Err(wrong());
        }
        let whole = BigInt::from_str(plain);
        Ok(Node::Number(match (suffix, whole) {
            ("", Ok(whole)) => match (i32::try_from(&whole), i64::try_from(&whole)) {
                (Ok(number), _) => Number::Int(number),
                (_, Ok(number)) => Number::Long(number),
                _ => Number::Big(whole),
            },
            ("i" | "I", Ok(whole)) => Number::Int(i32::try_from(&whole).map_err(|_| wrong())?),
            ("l" | "L", Ok(whole)) => Number::Long(i64::try_from(&whole).map_err(|_| wrong())?),
            ("g" | "G", Ok(whole)) => Number::Big(whole),
            ("f" | "F", _) => Number::Float(plain.parse().map_err(|_| wrong())?),
            ("d" | "D", _) => Number::Double(plain.parse().map_err(|_| wrong())?),
            ("" | "g" | "G", Err(_)) => {
                let number = Decimal::from_str(plain).map_err(|_| wrong())?;
                if number.scale.unsigned_abs() > SCALE_MAX {
                    return Err(wrong());
                }
                Number::Decimal(number)
            }
            _ => return Err(wrong()),
        }))
    }

    fn template(&self, parts: Vec<TextPart>) -> Result<Node> {
        if let [TextPart::Plain(text)] = parts.as_slice() {
            return Ok(Node::Text(text.clone()));
        }
        let mut nodes = Vec::new();
        for part in parts {
            nodes.push(match part {
                TextPart::Plain(text) => Node::Text(text),
                TextPart::Expression(text, at) => {
                    let mut inner = Parser::new(&text, self.language, at + self.offset)?;
                    inner.depth = self.depth;
                    let node = inner.expression()?;
                    if inner.token != Token::End {
                        return Err(inner.unexpected());
                    }
                    node
                }
            });
        }
        Ok(Node::Template(nodes))
    }

    /// A pattern of JavaScript, whose syntax is near enough to Java's for what conditions hold.
    fn pattern(&self, parts: &[TextPart], flags: &str, at: usize) -> Result<Node> {
        let [TextPart::Plain(pattern)] = parts else {
            return Err(Unsupported::at(at, "a pattern with values in it".to_owned()));
        };
        let compiled = match flags {
            "" => JavaRegex::new(pattern),
            "i" => JavaRegex::case_insensitive(pattern),
            _ => return Err(Unsupported::at(at, format!("the flags '{flags}' of a pattern"))),
        };
        compiled.map(Node::Pattern).map_err(|error| Unsupported::at(at, error.to_string()))
    }
}

fn regex(pattern: &str, at: usize) -> Result<JavaRegex> {
    JavaRegex::new(pattern).map_err(|error| Unsupported::at(at, format!("the pattern: {error}")))
}
