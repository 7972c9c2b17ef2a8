//! Who runs what: the eager assignment (Connect's protocol `default`).
//!
//! Connectors first, then tasks, dealt round robin over the sorted members with one iterator: dealing a connector
//! together with its tasks would be uneven, as tasks do the work.

use std::collections::BTreeMap;

use super::Work;

/// Deals the work to the members.
pub fn eager(members: &[String], configured: &Work) -> BTreeMap<String, Work> {
    let mut members = members.to_vec();
    members.sort();
    let mut dealt: Vec<Work> = vec![Work::default(); members.len()];
    if members.is_empty() {
        return BTreeMap::new();
    }
    let mut connectors = configured.connectors.clone();
    connectors.sort();
    let mut tasks = configured.tasks.clone();
    tasks.sort();
    let mut next = (0..members.len()).cycle();
    for connector in connectors {
        dealt[next.next().unwrap_or_default()].connectors.push(connector);
    }
    for task in tasks {
        dealt[next.next().unwrap_or_default()].tasks.push(task);
    }
    members.into_iter().zip(dealt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskId;

    #[test]
    fn deals_connectors_then_tasks_with_one_iterator() {
        let task = |connector: &str, task| TaskId { connector: connector.into(), task };
        let configured = Work {
            connectors: vec!["b".into(), "a".into(), "c".into()],
            tasks: vec![task("a", 0), task("a", 1), task("b", 0)],
        };
        let dealt = eager(&["w2".into(), "w1".into()], &configured);
        assert_eq!(dealt["w1"].connectors, ["a", "c"]);
        assert_eq!(dealt["w2"].connectors, ["b"]);
        assert_eq!(dealt["w2"].tasks, [task("a", 0), task("b", 0)]);
        assert_eq!(dealt["w1"].tasks, [task("a", 1)]);
        assert!(eager(&[], &configured).is_empty());
    }
}
