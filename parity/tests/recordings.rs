//! The recordings belong to the scenarios: a scenario that was changed and not recorded anew would be compared with
//! answers to other questions.

use raccord_parity::exchange::Recording;
use raccord_parity::run::recording_path;
use raccord_parity::scenario::{load, recorded_dir};
use raccord_parity::transforms;

#[test]
fn every_scenario_is_recorded_as_it_is() {
    for suite in ["rest", "pipelines"] {
        let folder = recorded_dir().join(suite);
        let scenarios = load(suite, &[]).unwrap();
        for scenario in &scenarios {
            let path = recording_path(&folder, &scenario.name);
            let text =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let recording: Recording = serde_json::from_str(&text).unwrap();
            let asked: Vec<String> =
                scenario.steps.iter().filter(|s| !s.unrecorded).filter_map(|s| s.line()).collect();
            let answered: Vec<&String> = recording.exchanges.iter().map(|exchange| &exchange.step).collect();
            assert_eq!(answered, asked.iter().collect::<Vec<_>>(), "{}: record it anew", scenario.name);
            let late: Vec<&String> =
                recording.exchanges.iter().filter(|e| e.timed_out).map(|e| &e.step).collect();
            assert!(late.is_empty(), "{}: the real worker did not reach {late:?}", scenario.name);
        }
        let files = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, scenarios.len(), "{}: a recording without a scenario", folder.display());
    }
}

#[test]
fn every_chain_is_recorded_as_it_is() {
    let scenarios = transforms::load(&[]).unwrap();
    for scenario in &scenarios {
        let recording = transforms::read_recording(&scenario.name).unwrap();
        let asked: Vec<_> = recording.iter().map(|line| &line["request"]).collect();
        assert_eq!(asked, scenario.requests.iter().collect::<Vec<_>>(), "{}: record it anew", scenario.name);
    }
    let files = std::fs::read_dir(recorded_dir().join("transforms")).unwrap().count();
    assert_eq!(files, scenarios.len(), "a recording without a scenario");
}
