//! The reference of all plugins is generated: this test rewrites the pages and fails if they differed.

use std::path::Path;

use raccord_config::{markdown, rewrite_page};
use raccord_plugin::{Plugin, PluginKind};
use raccord_plugins::PLUGINS;

const MADE: &str =
    "<!-- Made from the definitions in the code by a test: change those, run the tests, commit this. -->";

/// Whether the page was out of date.
fn rewritten(page: &str, text: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    rewrite_page(&path, &format!("{}\n", text.trim_end())).expect("the page can be written")
}

fn section(plugin: &Plugin) -> String {
    let keys = match markdown((plugin.config)(), 3) {
        none if none.is_empty() => "It has no keys.\n\n".to_owned(),
        keys => keys,
    };
    format!("## {}\n\n`{}`\n\n{keys}", plugin.simple_name(), plugin.class)
}

fn page(title: &str, kind: PluginKind) -> String {
    let mut plugins: Vec<&Plugin> = PLUGINS.iter().filter(|plugin| plugin.kind() == kind).collect();
    plugins.sort_by_key(|plugin| plugin.class);
    let sections: String = plugins.into_iter().map(section).collect();
    format!("# {title}\n\n{MADE}\n\n{sections}")
}

#[test]
fn the_reference_of_plugins_is_up_to_date() {
    let pages = [
        ("sources.md", "Source connectors", PluginKind::Source),
        ("sinks.md", "Sink connectors", PluginKind::Sink),
        ("converters.md", "Converters", PluginKind::Converter),
        ("header-converters.md", "Header converters", PluginKind::HeaderConverter),
        ("transforms.md", "Transforms", PluginKind::Transformation),
        ("predicates.md", "Predicates", PluginKind::Predicate),
    ];
    let differed: Vec<&str> = pages
        .into_iter()
        .filter(|(file, title, kind)| rewritten(file, &page(title, *kind)))
        .map(|(file, ..)| file)
        .collect();
    assert!(
        differed.is_empty(),
        "docs/reference/{differed:?} were out of date and are rewritten: commit them"
    );
}
