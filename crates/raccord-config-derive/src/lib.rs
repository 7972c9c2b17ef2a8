//! The derive macro of raccord-config. Use it through that crate.

use proc_macro::TokenStream;

/// Declares a config by a struct.
#[proc_macro_derive(Config, attributes(config))]
pub fn derive_config(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
