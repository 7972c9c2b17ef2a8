//! Numbers as Jackson reads them.

use num_bigint::BigInt;
use raccord_data::Decimal;

use super::super::node::Node;
use super::{
    EOF_EXCEPTION, MAX_NUMBER_LENGTH, PARSE_EXCEPTION, Read, ReadError, Reader, VALID_VALUE, describe,
};

impl Reader<'_> {
    /// Reads a number; the reader stands on its sign or first digit.
    pub(super) fn number(&mut self, in_root: bool) -> Read<Node> {
        let start = self.at;
        if self.bytes[start] == b'-' {
            self.at += 1;
            self.check_after_minus(start)?;
        }
        let whole = self.digits();
        let mut length = whole;
        let mut is_whole = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            is_whole = false;
            self.at += 1;
            let fraction = self.digits();
            length += fraction;
            if fraction == 0 {
                // At the end of the input Jackson complains about the point itself.
                let at = if self.at == self.bytes.len() { self.at - 1 } else { self.at };
                return Err(self.unexpected_in_number(at, "Decimal point not followed by a digit", at));
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let exponent = self.digits();
            length += exponent;
            if exponent == 0 {
                return Err(match self.bytes.get(self.at) {
                    None => self.ended_in_number(),
                    Some(_) => {
                        let comment = "Exponent indicator not followed by a digit";
                        self.unexpected_in_number(self.at, comment, self.at)
                    }
                });
            }
        }
        if in_root && !matches!(self.bytes.get(self.at), None | Some(b' ' | b'\t' | b'\n' | b'\r')) {
            return Err(self.unexpected(self.at, "Expected space separating root-level values"));
        }
        if length > MAX_NUMBER_LENGTH {
            return Err(self.constraint(format!(
                "Number value length ({length}) exceeds the maximum allowed ({MAX_NUMBER_LENGTH}, from \
                 `StreamReadConstraints.getMaxNumberLength()`)"
            )));
        }
        let text =
            std::str::from_utf8(&self.bytes[start..self.at]).expect("digits, signs, point and e are ASCII");
        self.last_token = if is_whole { "VALUE_NUMBER_INT" } else { "VALUE_NUMBER_FLOAT" };
        if is_whole { Ok(whole_number(text)) } else { decimal(text) }
    }

    fn digits(&mut self) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn check_after_minus(&mut self, start: usize) -> Read<()> {
        const DIGIT: &str = "expected digit (0-9) to follow minus sign, for valid numeric value";
        match self.bytes.get(self.at) {
            Some(b'0'..=b'9') => Ok(()),
            None => Err(self.ended_in_number()),
            Some(b'.') => Err(self.unexpected(self.at, VALID_VALUE)),
            Some(b'I') => Err(match self.bytes.get(self.at + 1) {
                Some(b'N') => self.non_standard("-INF", start, 3),
                Some(b'n') => self.non_standard("-Infinity", start, 3),
                None => self.ended_in_number(),
                Some(_) => self.unexpected_in_number(self.at + 1, DIGIT, self.at + 1),
            }),
            Some(_) => Err(self.unexpected_in_number(self.at, DIGIT, self.at)),
        }
    }

    /// The complaint about a plus sign.
    pub(super) fn plus(&mut self, start: usize) -> Box<ReadError> {
        let comment = "JSON spec does not allow numbers to have plus signs: enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow";
        match &self.bytes[start + 1..] {
            [] => {
                self.error(EOF_EXCEPTION, "Unexpected end-of-input in a Number value".to_owned(), start + 1)
            }
            [b'I', b'N', ..] => self.non_standard("+INF", start, 3),
            [b'I', b'n', ..] => self.non_standard("+Infinity", start, 3),
            _ => self.unexpected_in_number(start, comment, start + 1),
        }
    }

    fn unexpected_in_number(&self, at: usize, comment: &str, shown: usize) -> Box<ReadError> {
        let char = char::from(self.bytes.get(at).copied().unwrap_or(0));
        let message = format!("Unexpected character ({}) in numeric value: {comment}", describe(char));
        self.error(PARSE_EXCEPTION, message, shown)
    }

    fn ended_in_number(&self) -> Box<ReadError> {
        let message = format!("Unexpected end-of-input in {}", self.last_token);
        self.error(EOF_EXCEPTION, message, self.bytes.len())
    }
}

fn whole_number(text: &str) -> Node {
    if let Ok(number) = text.parse::<i32>() {
        return Node::Int(number);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Node::Long(number);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = BigInt::parse_bytes(digits.as_bytes(), 10).expect("a number's digits were counted");
    // Leading zeros can make a small number long.
    let number = if negative { -magnitude } else { magnitude };
    match (i32::try_from(&number), i64::try_from(&number)) {
        (Ok(number), _) => Node::Int(number),
        (_, Ok(number)) => Node::Long(number),
        _ => Node::Big(Box::new(number)),
    }
}

fn decimal(text: &str) -> Read<Node> {
    text.parse::<Decimal>().map(|decimal| Node::Decimal(Box::new(decimal))).map_err(|reason| {
        Box::new(ReadError {
            class: "java.lang.NumberFormatException",
            message: format!(
                "Value \"{text}\" can not be deserialized as `java.math.BigDecimal`, reason:  {}",
                reason.0
            ),
        })
    })
}
