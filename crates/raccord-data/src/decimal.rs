//! An exact decimal number: Connect's `Decimal`, Java's `BigDecimal`.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

/// `unscaled × 10^-scale`, as `java.math.BigDecimal` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// All digits, without the point.
    pub unscaled: BigInt,
    /// How many digits stand behind the point; negative for trailing zeros before it.
    pub scale: i32,
}

impl Decimal {
    /// A decimal of its two parts.
    pub fn new(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// Reads the two's-complement big-endian bytes of `BigInteger.toByteArray`, the wire form of Connect's `Decimal`.
    pub fn from_be_bytes(bytes: &[u8], scale: i32) -> Self {
        Self { unscaled: BigInt::from_signed_bytes_be(bytes), scale }
    }

    /// The shortest two's-complement big-endian bytes, as `BigInteger.toByteArray` gives them.
    pub fn to_be_bytes(&self) -> Vec<u8> {
        self.unscaled.to_signed_bytes_be()
    }

    /// The text without an exponent: Java's `BigDecimal.toPlainString`.
    pub fn to_plain_string(&self) -> String {
        let mut digits = self.unscaled.magnitude().to_string();
        if self.scale < 0 {
            if self.unscaled.sign() != Sign::NoSign {
                digits.extend(std::iter::repeat_n('0', self.scale.unsigned_abs() as usize));
            }
        } else if self.scale > 0 {
            let scale = self.scale as usize;
            if digits.len() <= scale {
                digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
            }
            digits.insert(digits.len() - scale, '.');
        }
        if self.unscaled.sign() == Sign::Minus {
            digits.insert(0, '-');
        }
        digits
    }
}

/// Why a text is not a decimal; the wording of Java's `NumberFormatException` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADecimal(
    /// The reason.
    pub &'static str,
);

impl FromStr for Decimal {
    type Err = NotADecimal;

    /// Reads what the constructor `BigDecimal(String)` reads: a sign, digits with a point somewhere, an exponent.
    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
            return Err(NotADecimal("Not a number."));
        }
        let scale = i32::try_from(fraction.len() as i64 - exponent)
            .map_err(|_| NotADecimal("Scale out of range."))?;
        let digits = [whole, fraction].concat();
        let magnitude = match digits.parse::<u64>() {
            Ok(small) => BigInt::from(small),
            Err(_) => BigInt::parse_bytes(digits.as_bytes(), 10).ok_or(NotADecimal("Not a number."))?,
        };
        Ok(Self::new(if mantissa.starts_with('-') { -magnitude } else { magnitude }, scale))
    }
}

fn parse_exponent(text: &str) -> Result<i64, NotADecimal> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotADecimal("No exponent digits."));
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 10 {
        return Err(NotADecimal("Too many nonzero exponent digits."));
    }
    let exponent = significant.parse::<i64>().unwrap_or(0);
    let exponent = if text.starts_with('-') { -exponent } else { exponent };
    if i32::try_from(exponent).is_err() {
        return Err(NotADecimal("Exponent overflow."));
    }
    Ok(exponent)
}

impl Decimal {
    /// Java's `BigDecimal.longValue`: the fraction is cut off and the lowest 64 bits of the rest are taken.
    pub fn to_i64_wrapping(&self) -> i64 {
        if self.scale == 0 {
            return low_bits(&self.unscaled);
        }
        // 10^64 is a multiple of 2^64, so nothing is left of a number with that many zeros at its end.
        if self.scale <= -64 || self.unscaled.sign() == Sign::NoSign {
            return 0;
        }
        if self.scale < 0 {
            return low_bits(&(&self.unscaled * BigInt::from(10).pow(self.scale.unsigned_abs())));
        }
        let scale = self.scale as u32;
        // A digit takes more than three bits: below one, without raising ten to a huge power.
        if u64::from(scale) * 3 > self.unscaled.bits() + 3 {
            return 0;
        }
        low_bits(&(&self.unscaled / BigInt::from(10).pow(scale)))
    }

    /// The nearest double: Java's `BigDecimal.doubleValue`. Zero is positive, since a decimal knows no negative zero.
    pub fn to_f64(&self) -> f64 {
        if self.unscaled.sign() == Sign::NoSign { 0.0 } else { self.to_string().parse().unwrap_or(f64::NAN) }
    }

    /// The nearest float: Java's `BigDecimal.floatValue`.
    pub fn to_f32(&self) -> f32 {
        if self.unscaled.sign() == Sign::NoSign { 0.0 } else { self.to_string().parse().unwrap_or(f32::NAN) }
    }
}

/// The lowest 64 bits in two's complement: Java's `BigInteger.longValue`.
pub fn low_bits(number: &BigInt) -> i64 {
    let low = number.iter_u64_digits().next().unwrap_or(0) as i64;
    if number.sign() == Sign::Minus { low.wrapping_neg() } else { low }
}

impl fmt::Display for Decimal {
    /// Java's `BigDecimal.toString`: scientific notation when the scale is negative or the number very small.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.magnitude().to_string();
        let adjusted = digits.len() as i64 - 1 - i64::from(self.scale);
        if self.scale >= 0 && adjusted >= -6 {
            return f.write_str(&self.to_plain_string());
        }
        if self.unscaled.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        f.write_str(&digits[..1])?;
        if digits.len() > 1 {
            write!(f, ".{}", &digits[1..])?;
        }
        if adjusted != 0 { write!(f, "E{adjusted:+}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unscaled: i64, scale: i32, text: &str, plain: &str) {
        let decimal = Decimal::new(BigInt::from(unscaled), scale);
        assert_eq!(decimal.to_string(), text);
        assert_eq!(decimal.to_plain_string(), plain);
        assert_eq!(Decimal::from_be_bytes(&decimal.to_be_bytes(), scale), decimal);
    }

    #[test]
    fn writes_text_as_big_decimal_does() {
        check(0, 0, "0", "0");
        check(0, 2, "0.00", "0.00");
        check(0, -2, "0E+2", "0");
        check(12345, 2, "123.45", "123.45");
        check(-5, 3, "-0.005", "-0.005");
        check(1, 6, "0.000001", "0.000001");
        check(1, 7, "1E-7", "0.0000001");
        check(-123, 10, "-1.23E-8", "-0.0000000123");
        check(123, -3, "1.23E+5", "123000");
        check(128, 0, "128", "128");
        check(-129, 0, "-129", "-129");
    }

    #[test]
    fn reads_text_as_big_decimal_does() {
        let check = |text: &str, expect: Option<(i64, i32)>| {
            let parsed = text.parse::<Decimal>().ok();
            assert_eq!(
                parsed,
                expect.map(|(unscaled, scale)| Decimal::new(BigInt::from(unscaled), scale)),
                "{text}"
            );
        };
        check("1.50", Some((150, 2)));
        check("+.5", Some((5, 1)));
        check("-1.", Some((-1, 0)));
        check("1E+2", Some((1, -2)));
        check("12e-3", Some((12, 3)));
        check("0e99999999999", None);
        check("1e2147483647", Some((1, -i32::MAX)));
        check("1e2147483648", None);
        check("1e-2147483648", None);
        check("1.5e-2147483647", None);
        for bad in ["", "+", ".", "1e", "1e+", "--1", "1 ", "0x1", "1.2.3", "NaN"] {
            check(bad, None);
        }
    }

    #[test]
    fn narrows_as_java_does() {
        let check = |text: &str, long: i64, double: f64| {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(decimal.to_i64_wrapping(), long, "{text}");
            assert_eq!(decimal.to_f64().to_bits(), double.to_bits(), "{text}");
        };
        check("300.7", 300, 300.7);
        check("-300.7", -300, -300.7);
        check("1e10", 10_000_000_000, 1e10);
        check("123456789012345678901234567890", -4_362_896_299_872_285_998, 1.2345678901234568e29);
        check("9.99", 9, 9.99);
        check("0.999", 0, 0.999);
        check("-0.0", 0, 0.0);
        check("1e400", 0, f64::INFINITY);
        check("-1e-400", 0, -0.0);
        check("1e-2000000000", 0, 0.0);
        check("1e2000000000", 0, f64::INFINITY);
    }
}
