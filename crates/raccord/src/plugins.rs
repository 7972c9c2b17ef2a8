//! `raccord plugins`: what is compiled in.
#![allow(clippy::print_stdout, reason = "the answer of a command line tool")]

use anyhow::Result;
use raccord_plugins::PLUGINS;

/// Prints one line for each plugin, as connect-plugin-path and REST name them.
pub fn run() -> Result<()> {
    for plugin in PLUGINS {
        println!("{:<16} {:<10} {}", plugin.kind().as_str(), plugin.version, plugin.class);
    }
    Ok(())
}
