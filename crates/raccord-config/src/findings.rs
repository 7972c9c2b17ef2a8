//! What is wrong with a config.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key.
    pub key: String,
    /// The text of Kafka's ConfigException.
    pub message: String,
}

/// All that is wrong, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Nothing when there are no findings.
    ///
    /// # Errors
    /// The findings when there are any.
    pub fn check(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self(findings)) }
    }

    /// A single finding.
    pub fn one(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Finding { key: key.into(), message: message.into() }])
    }

    /// The message of the first: what Kafka, which stops there, would have said.
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |finding| &finding.message)
    }

    /// All, in the order of the definition.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&finding.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
