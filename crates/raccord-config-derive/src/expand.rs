//! Writing the implementation.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result, Type};

use crate::attributes::{FieldAttributes, StructAttributes};

/// `impl Config` and `impl Default` for the struct.
pub fn config(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(input, "a config is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(input, "a config has named fields"));
    };
    let inherited = StructAttributes::read(&input.attrs)?;
    let mut orders = HashMap::new();
    let (mut define, mut take, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields.named {
        let parts = Parts::new(field, &inherited, &mut orders)?;
        define.push(parts.define);
        take.push(parts.take);
        empty.push(parts.empty);
    }
    let name = &input.ident;
    let (generics, types, clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::raccord_config::Config for #name #types #clause {
            fn def() -> &'static ::raccord_config::ConfigDef {
                static DEF: ::std::sync::LazyLock<::raccord_config::ConfigDef> =
                    ::std::sync::LazyLock::new(|| {
                        let mut def = ::raccord_config::ConfigDef::new();
                        #(#define)*
                        def
                    });
                &DEF
            }

            fn from_values(
                values: &mut ::raccord_config::ParsedConfig,
                raw: &::raccord_config::RawConfig,
            ) -> Self {
                let _ = (&values, raw);
                Self { #(#take,)* }
            }
        }

        impl #generics ::std::default::Default for #name #types #clause {
            /// Every key has its default; required keys are empty.
            fn default() -> Self {
                Self { #(#empty,)* }
            }
        }
    })
}

/// What a field contributes.
struct Parts {
    define: TokenStream,
    take: TokenStream,
    empty: TokenStream,
}

impl Parts {
    fn new(field: &Field, inherited: &StructAttributes, orders: &mut HashMap<String, i32>) -> Result<Self> {
        let attributes = FieldAttributes::read(&field.attrs)?;
        let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "a name is needed"))?;
        let ty = &field.ty;
        if attributes.raw {
            return Ok(Self {
                define: TokenStream::new(),
                take: quote!(#ident: raw.clone()),
                empty: quote!(#ident: ::std::default::Default::default()),
            });
        }
        if attributes.flatten {
            return Ok(Self {
                define: quote!(def.define_all(<#ty as ::raccord_config::Config>::def());),
                take: quote!(#ident: <#ty as ::raccord_config::Config>::from_values(values, raw)),
                empty: quote!(#ident: <#ty as ::std::default::Default>::default()),
            });
        }
        if attributes.documentation.is_empty() {
            return Err(Error::new_spanned(ident, "a key needs a doc comment: it is its documentation"));
        }
        let key = match &attributes.key {
            Some(key) => key.value(),
            None => ident.to_string().trim_start_matches("r#").replace('_', "."),
        };
        let empty = empty_value(ty, &attributes);
        Ok(Self {
            define: define(&key, ty, &attributes, inherited, orders)?,
            take: quote! {
                #ident: values
                    .remove(#key)
                    .and_then(<#ty as ::raccord_config::Field>::from_value)
                    .unwrap_or_else(|| #empty)
            },
            empty: quote!(#ident: #empty),
        })
    }
}

/// The field's default, or an empty value when it has none.
fn empty_value(ty: &Type, attributes: &FieldAttributes) -> TokenStream {
    match &attributes.default {
        Some(default) => quote! {
            <#ty as ::raccord_config::Field>::from_value(
                <#ty as ::raccord_config::Field>::default_value(#default),
            )
            .unwrap_or_else(<#ty as ::raccord_config::Field>::empty)
        },
        None => quote!(<#ty as ::raccord_config::Field>::empty()),
    }
}

fn define(
    key: &str,
    ty: &Type,
    attributes: &FieldAttributes,
    inherited: &StructAttributes,
    orders: &mut HashMap<String, i32>,
) -> Result<TokenStream> {
    let mut set = Vec::new();
    let mut assign = |field: &str, value: TokenStream| {
        let field = Ident::new(field, proc_macro2::Span::call_site());
        set.push(quote!(key.#field = #value;));
    };
    assign(
        "default",
        match &attributes.default {
            Some(default) => quote!(Some(<#ty as ::raccord_config::Field>::default_value(#default))),
            None => quote! {
                <#ty as ::raccord_config::Field>::OPTIONAL.then_some(::raccord_config::Value::Null)
            },
        },
    );
    if let Some(group) = attributes.group.as_ref().or(inherited.group.as_ref()) {
        let order = orders.entry(group.value()).or_insert(0);
        *order = match &attributes.order {
            Some(given) => given.base10_parse()?,
            None => *order + 1,
        };
        let order = *order;
        assign("group", quote!(Some(#group.to_owned())));
        assign("order", quote!(#order));
    } else if let Some(order) = &attributes.order {
        assign("order", quote!(#order));
    }
    if let Some(importance) = attributes.importance.as_ref().or(inherited.importance.as_ref()) {
        assign("importance", quote!(::raccord_config::Importance::#importance));
    }
    if let Some(width) = attributes.width.as_ref().or(inherited.width.as_ref()) {
        assign("width", quote!(::raccord_config::Width::#width));
    }
    if let Some(display) = &attributes.display {
        assign("display_name", quote!(#display.to_owned()));
    }
    if let Some(validator) = &attributes.validator {
        assign("validator", quote!(Some(#validator)));
    }
    if let Some(recommender) = &attributes.recommender {
        assign("recommender", quote!(Some(#recommender)));
    }
    if let Some(dependents) = &attributes.dependents {
        let names = dependents.elems.iter().map(ToTokens::to_token_stream);
        assign("dependents", quote!(vec![#(#names.to_owned()),*]));
    }
    if let Some(aliases) = &attributes.aliases {
        assign("aliases", quote!(&#aliases));
    }
    if attributes.internal {
        assign("internal", quote!(true));
    }
    let documentation = &attributes.documentation;
    Ok(quote! {
        let mut key = ::raccord_config::ConfigKey::new(#key, <#ty as ::raccord_config::Field>::TYPE);
        key.documentation = ::std::borrow::Cow::Borrowed(#documentation);
        #(#set)*
        def.define(key);
    })
}
