//! An exact decimal number: Connect's `Decimal`, Java's `BigDecimal`.

use std::fmt;

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
}
