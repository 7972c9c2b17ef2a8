//! Numbers with Groovy's rules: whole numbers wrap as Java's do, a division of whole numbers is a decimal one, and
//! comparing does not ask for the type.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};
use raccord_data::Decimal;
use raccord_data::java_text::{append_f32, append_f64};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// `Byte` or `Short`, with the name of the class; they compute as `Integer` does.
    Narrow(i32, &'static str),
    Int(i32),
    Long(i64),
    Float(f32),
    /// Also every number of JavaScript.
    Double(f64),
    Decimal(Decimal),
    /// `BigInteger`.
    Big(BigInt),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Digits that an endless quotient has beyond those of its operands.
const EXTRA_PRECISION: i64 = 10;

impl Number {
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Narrow(number, _) | Self::Int(number) => *number == 0,
            Self::Long(number) => *number == 0,
            Self::Float(number) => *number == 0.0,
            Self::Double(number) => *number == 0.0,
            Self::Decimal(number) => is_zero(&number.unscaled),
            Self::Big(number) => is_zero(number),
        }
    }

    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Narrow(_, class) => class,
            Self::Int(_) => "java.lang.Integer",
            Self::Long(_) => "java.lang.Long",
            Self::Float(_) => "java.lang.Float",
            Self::Double(_) => "java.lang.Double",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Big(_) => "java.math.BigInteger",
        }
    }

    fn is_floating(&self) -> bool {
        matches!(self, Self::Float(_) | Self::Double(_))
    }

    pub(super) fn to_f64(&self) -> f64 {
        match self {
            Self::Narrow(number, _) | Self::Int(number) => f64::from(*number),
            Self::Long(number) => *number as f64,
            Self::Float(number) => f64::from(*number),
            Self::Double(number) => *number,
            Self::Decimal(number) => number.to_f64(),
            Self::Big(number) => Decimal::new(number.clone(), 0).to_f64(),
        }
    }

    /// `longValue`.
    pub(super) fn to_i64(&self) -> i64 {
        match self {
            Self::Narrow(number, _) | Self::Int(number) => i64::from(*number),
            Self::Long(number) => *number,
            Self::Float(number) => *number as i64,
            Self::Double(number) => *number as i64,
            Self::Decimal(number) => number.to_i64_wrapping(),
            Self::Big(number) => raccord_data::low_bits(number),
        }
    }

    fn to_decimal(&self) -> Decimal {
        match self {
            Self::Decimal(number) => number.clone(),
            Self::Big(number) => Decimal::new(number.clone(), 0),
            other => Decimal::new(BigInt::from(other.to_i64()), 0),
        }
    }

    pub(super) fn negated(&self) -> Self {
        match self {
            Self::Narrow(number, _) | Self::Int(number) => Self::Int(number.wrapping_neg()),
            Self::Long(number) => Self::Long(number.wrapping_neg()),
            Self::Float(number) => Self::Float(-number),
            Self::Double(number) => Self::Double(-number),
            Self::Decimal(number) => Self::Decimal(Decimal::new(-&number.unscaled, number.scale)),
            Self::Big(number) => Self::Big(-number),
        }
    }

    /// None when one is not a number (NaN).
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.is_floating() || other.is_floating() {
            return self.to_f64().partial_cmp(&other.to_f64());
        }
        match (self, other) {
            (Self::Decimal(_) | Self::Big(_), _) | (_, Self::Decimal(_) | Self::Big(_)) => {
                let (a, b, _) = aligned(self.to_decimal(), other.to_decimal());
                Some(a.cmp(&b))
            }
            _ => Some(self.to_i64().cmp(&other.to_i64())),
        }
    }

    /// None for a division by zero.
    pub(super) fn compute(&self, operation: Operation, other: &Self) -> Option<Self> {
        if self.is_floating() || other.is_floating() {
            return Some(Self::Double(floating(operation, self.to_f64(), other.to_f64())));
        }
        if matches!(operation, Operation::Divide) {
            return divide(&self.to_decimal(), &other.to_decimal()).map(Self::Decimal);
        }
        match (self, other) {
            (Self::Decimal(_), _) | (_, Self::Decimal(_)) => {
                decimal(operation, self.to_decimal(), other.to_decimal()).map(Self::Decimal)
            }
            (Self::Big(_), _) | (_, Self::Big(_)) => {
                decimal(operation, self.to_decimal(), other.to_decimal())
                    .map(|number| Self::Big(number.unscaled))
            }
            (Self::Narrow(a, _) | Self::Int(a), Self::Narrow(b, _) | Self::Int(b)) => {
                Some(Self::Int(match operation {
                    Operation::Add => a.wrapping_add(*b),
                    Operation::Subtract => a.wrapping_sub(*b),
                    Operation::Multiply => a.wrapping_mul(*b),
                    Operation::Divide | Operation::Remainder => (*b != 0).then(|| a.wrapping_rem(*b))?,
                }))
            }
            _ => {
                let (a, b) = (self.to_i64(), other.to_i64());
                Some(Self::Long(match operation {
                    Operation::Add => a.wrapping_add(b),
                    Operation::Subtract => a.wrapping_sub(b),
                    Operation::Multiply => a.wrapping_mul(b),
                    Operation::Divide | Operation::Remainder => (b != 0).then(|| a.wrapping_rem(b))?,
                }))
            }
        }
    }
}

fn floating(operation: Operation, a: f64, b: f64) -> f64 {
    match operation {
        Operation::Add => a + b,
        Operation::Subtract => a - b,
        Operation::Multiply => a * b,
        Operation::Divide => a / b,
        Operation::Remainder => a % b,
    }
}

/// Both as whole numbers of the same scale.
fn aligned(a: Decimal, b: Decimal) -> (BigInt, BigInt, i32) {
    let scale = a.scale.max(b.scale);
    let raise = |number: Decimal| number.unscaled * power_of_ten(i64::from(scale) - i64::from(number.scale));
    (raise(a), raise(b), scale)
}

fn power_of_ten(exponent: i64) -> BigInt {
    // Scales of values and literals are small; nothing else comes here.
    BigInt::from(10).pow(u32::try_from(exponent.clamp(0, 100_000)).unwrap_or_default())
}

fn decimal(operation: Operation, a: Decimal, b: Decimal) -> Option<Decimal> {
    Some(match operation {
        Operation::Multiply => Decimal::new(&a.unscaled * &b.unscaled, a.scale.saturating_add(b.scale)),
        Operation::Divide => return divide(&a, &b),
        Operation::Add | Operation::Subtract | Operation::Remainder => {
            let (a, b, scale) = aligned(a, b);
            match operation {
                Operation::Add => Decimal::new(a + b, scale),
                Operation::Subtract => Decimal::new(a - b, scale),
                _ => (!is_zero(&b)).then(|| Decimal::new(a % &b, scale))?,
            }
        }
    })
}

/// As `BigDecimal.divide`: exact where the quotient ends, else rounded as Groovy asks for.
fn divide(a: &Decimal, b: &Decimal) -> Option<Decimal> {
    if is_zero(&b.unscaled) {
        return None;
    }
    let preferred = i64::from(a.scale) - i64::from(b.scale);
    if is_zero(&a.unscaled) {
        return Some(Decimal::new(BigInt::ZERO, preferred.try_into().ok()?));
    }
    let (two, five) = (BigInt::from(2), BigInt::from(5));
    // What is left of the divisor must be a product of twos and fives.
    let mut divisor = abs(&b.unscaled);
    divisor = &divisor / gcd(divisor.clone(), abs(&a.unscaled));
    let mut steps = 0i64;
    for factor in [&two, &five] {
        let mut times = 0i64;
        while is_zero(&(&divisor % factor)) {
            divisor /= factor;
            times += 1;
        }
        steps = steps.max(times);
    }
    if divisor == BigInt::from(1) {
        let quotient = &a.unscaled * power_of_ten(steps) / &b.unscaled;
        return Some(Decimal::new(quotient, (preferred + steps).try_into().ok()?));
    }
    let digits = |number: &BigInt| abs(number).to_string().len() as i64;
    let precision = digits(&a.unscaled).max(digits(&b.unscaled)) + EXTRA_PRECISION;
    // Enough digits to know the precision's last one, then rounded half up.
    let raise = precision + digits(&b.unscaled) - digits(&a.unscaled);
    let exact = rounded(&(&a.unscaled * power_of_ten(raise + 2)), &b.unscaled);
    let scale = preferred + raise + 2;
    let cut = (digits(&exact) - precision).max(0);
    let least = i64::from(a.scale.max(b.scale)).max(10);
    let cut = cut.max(scale - least);
    Some(Decimal::new(rounded(&exact, &power_of_ten(cut)), (scale - cut).try_into().ok()?))
}

fn rounded(a: &BigInt, b: &BigInt) -> BigInt {
    let (quotient, rest) = (a / b, a % b);
    let away = if a.sign() == b.sign() { 1 } else { -1 };
    if abs(&rest) * 2 >= abs(b) { quotient + away } else { quotient }
}

fn is_zero(number: &BigInt) -> bool {
    number.sign() == Sign::NoSign
}

fn abs(number: &BigInt) -> BigInt {
    number.magnitude().clone().into()
}

fn gcd(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !is_zero(&b) {
        (a, b) = (b.clone(), a % b);
    }
    a
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        match self {
            Self::Narrow(number, _) | Self::Int(number) => return write!(out, "{number}"),
            Self::Long(number) => return write!(out, "{number}"),
            Self::Big(number) => return write!(out, "{number}"),
            Self::Decimal(number) => return write!(out, "{number}"),
            Self::Float(number) => append_f32(*number, &mut text),
            Self::Double(number) => append_f64(*number, &mut text),
        }
        out.write_str(&String::from_utf8_lossy(&text))
    }
}
