//! What happened to a row, and which of it is not told.

/// What happened to a row: the field `op` of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Read by a snapshot.
    Read,
    /// Inserted.
    Create,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
    /// The table was truncated.
    Truncate,
    /// A message written into the log by a client.
    Message,
}

impl Operation {
    /// The letter in the field `op`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
            Self::Message => "m",
        }
    }
}

/// The operations that `skipped.operations` names. Reads and messages are never skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedOperations {
    create: bool,
    update: bool,
    delete: bool,
    truncate: bool,
}

impl SkippedOperations {
    /// Reads the letters `c`, `u`, `d`, `t` of the list; `none` anywhere skips nothing. Debezium trims each entry and
    /// ignores its case; unknown entries are the validator's business and are passed over here.
    pub fn of(entries: &[impl AsRef<str>]) -> Self {
        let mut skipped = Self::default();
        for entry in entries {
            match entry.as_ref().trim().to_ascii_lowercase().as_str() {
                "none" => return Self::default(),
                "c" => skipped.create = true,
                "u" => skipped.update = true,
                "d" => skipped.delete = true,
                "t" => skipped.truncate = true,
                _ => {}
            }
        }
        skipped
    }

    /// Whether records of the operation are left out.
    pub fn contains(self, operation: Operation) -> bool {
        match operation {
            Operation::Create => self.create,
            Operation::Update => self.update,
            Operation::Delete => self.delete,
            Operation::Truncate => self.truncate,
            Operation::Read | Operation::Message => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_as_debezium_does() {
        let check = |entries: &[&str], expect: &str| {
            let skipped = SkippedOperations::of(entries);
            let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Truncate];
            let found: String =
                all.into_iter().filter(|o| skipped.contains(*o)).map(Operation::code).collect();
            assert_eq!(found, expect, "{entries:?}");
        };
        check(&["t"], "t");
        check(&["c", " U ", "D"], "cud");
        check(&["c", "none"], "");
        check(&[], "");
    }
}
