//! The derive macro of raccord-config, where its attributes are documented. Use it through that crate.

mod attributes;
mod expand;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Declares a config by a struct with a field for each key. See `raccord_config::Config`.
#[proc_macro_derive(Config, attributes(config))]
pub fn derive_config(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::config(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}
