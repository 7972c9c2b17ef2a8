//! Versions of plugins and ranges of them, as Maven orders and writes them: `1.0`, `[1.0,2.0)`, `(,1.5],[2.0,)`.
//!
//! Every plugin here has one version. A range in a config is checked against it, so that a config that asks for a
//! version that is not there is refused in Connect's words.

use std::cmp::Ordering;
use std::fmt;

use raccord_config::Validator;

/// A range of versions.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRange {
    restrictions: Vec<Restriction>,
}

#[derive(Clone, Debug, PartialEq)]
struct Restriction {
    lower: Option<String>,
    lower_inclusive: bool,
    upper: Option<String>,
    upper_inclusive: bool,
}

impl VersionRange {
    /// The range that a config asks for: a plain version means exactly that one. `None` when any will do, which null
    /// and `latest` say.
    ///
    /// # Errors
    /// Maven's text when it is not a range.
    pub fn requirement(version: Option<&str>) -> Result<Option<Self>, String> {
        match version {
            None | Some("latest") => Ok(None),
            Some(version) => {
                let version = version.trim();
                let range = Self::parse(version)?;
                if range.restrictions.is_empty() {
                    return Self::parse(&format!("[{version}]")).map(Some);
                }
                Ok(Some(range))
            }
        }
    }

    /// A range as written; a plain version has no restrictions.
    fn parse(spec: &str) -> Result<Self, String> {
        let mut restrictions: Vec<Restriction> = Vec::new();
        let mut rest = spec;
        while rest.starts_with(['[', '(']) {
            let Some(end) = rest.find([')', ']']) else {
                return Err(format!("Unbounded range: {spec}"));
            };
            let restriction = Restriction::parse(&rest[..=end])?;
            if let Some(previous) = restrictions.last() {
                let overlaps = match (&previous.upper, &restriction.lower) {
                    (Some(upper), Some(lower)) => compare(lower, upper) == Ordering::Less,
                    _ => true,
                };
                if overlaps {
                    return Err(format!("Ranges overlap: {spec}"));
                }
            }
            restrictions.push(restriction);
            rest = rest[end + 1..].trim();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim();
        }
        if !rest.is_empty() && !restrictions.is_empty() {
            return Err(format!("Only fully-qualified sets allowed in multiple set scenario: {spec}"));
        }
        Ok(Self { restrictions })
    }

    /// Whether the version is in the range.
    pub fn contains(&self, version: &str) -> bool {
        self.restrictions.iter().any(|restriction| restriction.contains(version))
    }
}

impl Restriction {
    fn parse(spec: &str) -> Result<Self, String> {
        let lower_inclusive = spec.starts_with('[');
        let upper_inclusive = spec.ends_with(']');
        let inner = spec[1..spec.len() - 1].trim();
        let Some((lower, upper)) = inner.split_once(',') else {
            if !lower_inclusive || !upper_inclusive {
                return Err(format!("Single version must be surrounded by []: {spec}"));
            }
            let version = Some(inner.to_owned());
            return Ok(Self { lower: version.clone(), lower_inclusive, upper: version, upper_inclusive });
        };
        let bound = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let (lower, upper) = (bound(lower), bound(upper));
        if let (Some(lower), Some(upper)) = (&lower, &upper) {
            match compare(upper, lower) {
                Ordering::Equal if !(lower_inclusive && upper_inclusive) => {
                    return Err(format!("Range cannot have identical boundaries: {spec}"));
                }
                Ordering::Less => return Err(format!("Range defies version ordering: {spec}")),
                _ => {}
            }
        }
        Ok(Self { lower, lower_inclusive, upper, upper_inclusive })
    }

    fn contains(&self, version: &str) -> bool {
        let above = self.lower.as_ref().is_none_or(|lower| match compare(lower, version) {
            Ordering::Less => true,
            Ordering::Equal => self.lower_inclusive,
            Ordering::Greater => false,
        });
        let below = self.upper.as_ref().is_none_or(|upper| match compare(upper, version) {
            Ordering::Less => false,
            Ordering::Equal => self.upper_inclusive,
            Ordering::Greater => true,
        });
        above && below
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, restriction) in self.restrictions.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{restriction}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lower, upper) = (self.lower.as_deref().unwrap_or(""), self.upper.as_deref().unwrap_or(""));
        f.write_str(if self.lower_inclusive { "[" } else { "(" })?;
        write!(f, "{lower},{upper}")?;
        f.write_str(if self.upper_inclusive { "]" } else { ")" })
    }
}

/// One part of a version: numbers are above words, `final` and nothing are equal, pre-releases are below them.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Word(String),
    Number(u128),
}

/// Maven's order of versions, for versions of numbers and qualifiers in one level.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for index in 0..a.len().max(b.len()) {
        let order = compare_parts(a.get(index), b.get(index));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_parts(a: Option<&Part>, b: Option<&Part>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => compare_parts(b, a).reverse(),
        (Some(Part::Number(number)), None) => number.cmp(&0),
        (Some(Part::Word(word)), None) => rank(word).cmp(&rank("")),
        (Some(Part::Number(a)), Some(Part::Number(b))) => a.cmp(b),
        (Some(Part::Number(_)), Some(Part::Word(_))) => Ordering::Greater,
        (Some(Part::Word(_)), Some(Part::Number(_))) => Ordering::Less,
        (Some(Part::Word(a)), Some(Part::Word(b))) => rank(a).cmp(&rank(b)),
    }
}

/// Known qualifiers in Maven's order; unknown ones come after all and are ordered as text.
fn rank(word: &str) -> (usize, &str) {
    const ORDER: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
    let word = match word {
        "a" => "alpha",
        "b" => "beta",
        "m" => "milestone",
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        other => other,
    };
    match ORDER.iter().position(|known| *known == word) {
        Some(place) => (place, ""),
        None => (ORDER.len(), word),
    }
}

fn parts(version: &str) -> Vec<Part> {
    let version = version.to_lowercase();
    let mut parts = Vec::new();
    let mut current = String::new();
    let mut push = |current: &mut String| {
        let text = std::mem::take(current);
        if let Some(part) = match text.parse() {
            Ok(number) => Some(Part::Number(number)),
            Err(_) if text.is_empty() => None,
            Err(_) => Some(Part::Word(text)),
        } {
            parts.push(part);
        }
    };
    for c in version.chars() {
        let changes = current.chars().last().is_some_and(|last| last.is_ascii_digit() != c.is_ascii_digit());
        if matches!(c, '.' | '-' | '_') || changes {
            push(&mut current);
        }
        if !matches!(c, '.' | '-' | '_') {
            current.push(c);
        }
    }
    push(&mut current);
    // Nothing and zero are the same at the end.
    while parts.last().is_some_and(|part| compare_parts(Some(part), None) == Ordering::Equal) {
        parts.pop();
    }
    parts
}

/// Checks that a key holds a version or a range of versions.
pub fn version_range() -> Validator {
    Validator::new("", |_, value| VersionRange::requirement(value.as_str()).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_versions() {
        let ascending = [
            "1.0-alpha-1",
            "1.0-beta1",
            "1.0-rc1",
            "1.0-SNAPSHOT",
            "1.0",
            "1.0-sp",
            "1.0-x",
            "1.0.1",
            "1.2",
            "1.10",
            "3.3.2.Final",
            "4",
        ];
        for (index, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), index.cmp(&other), "{a} {b}");
            }
        }
        for (a, b) in [("1", "1.0.0"), ("3.3.2.Final", "3.3.2"), ("1.0-ga", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn a_requirement_accepts_and_shows() {
        let check = |spec: &str, shown: &str, accepted: &[&str], refused: &[&str]| {
            let range = VersionRange::requirement(Some(spec)).unwrap().unwrap();
            assert_eq!(range.to_string(), shown);
            for version in accepted {
                assert!(range.contains(version), "{spec} {version}");
            }
            for version in refused {
                assert!(!range.contains(version), "{spec} {version}");
            }
        };
        check("4.3.1", "[4.3.1,4.3.1]", &["4.3.1"], &["4.3.2", "4.3"]);
        check(" [1.0,2.0) ", "[1.0,2.0)", &["1.0", "1.9"], &["2.0", "0.9"]);
        check("(,1.0],[1.2,)", "(,1.0],[1.2,)", &["0.1", "1.0", "1.2", "9"], &["1.1"]);
        assert_eq!(VersionRange::requirement(None), Ok(None));
        assert_eq!(VersionRange::requirement(Some("latest")), Ok(None));
    }

    #[test]
    fn refuses_in_mavens_words() {
        let check = |spec: &str, expect: &str| {
            assert_eq!(VersionRange::requirement(Some(spec)), Err(expect.to_owned()));
        };
        check("[1.0,2.0", "Unbounded range: [1.0,2.0");
        check("(1.0)", "Single version must be surrounded by []: (1.0)");
        check("[2.0,1.0]", "Range defies version ordering: [2.0,1.0]");
        check("(1.0,1.0)", "Range cannot have identical boundaries: (1.0,1.0)");
        check("[1.0,2.0],[1.5,3.0]", "Ranges overlap: [1.0,2.0],[1.5,3.0]");
        check("[1.0,2.0],3.0", "Only fully-qualified sets allowed in multiple set scenario: [1.0,2.0],3.0");
    }
}
