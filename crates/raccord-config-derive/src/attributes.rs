//! Reading `#[config(…)]` and doc comments.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, ExprArray, Ident, Lit, LitInt, LitStr, Meta, Result};

/// What stands on the struct, and what a field inherits from it.
#[derive(Default)]
pub struct StructAttributes {
    pub group: Option<LitStr>,
    pub importance: Option<Ident>,
    pub width: Option<Ident>,
}

/// What stands on a field.
#[derive(Default)]
pub struct FieldAttributes {
    pub key: Option<LitStr>,
    pub default: Option<Expr>,
    pub importance: Option<Ident>,
    pub group: Option<LitStr>,
    pub order: Option<LitInt>,
    pub width: Option<Ident>,
    pub display: Option<LitStr>,
    pub validator: Option<Expr>,
    pub recommender: Option<Expr>,
    pub dependents: Option<ExprArray>,
    pub aliases: Option<ExprArray>,
    pub internal: bool,
    pub flatten: bool,
    pub raw: bool,
    pub documentation: String,
}

impl StructAttributes {
    pub fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut out = Self::default();
        each_nested(attributes, |meta| {
            let name = name(&meta)?;
            match name.as_str() {
                "group" => out.group = Some(meta.value()?.parse()?),
                "importance" => out.importance = Some(meta.value()?.parse()?),
                "width" => out.width = Some(meta.value()?.parse()?),
                _ => return Err(meta.error("a struct has group, importance or width here")),
            }
            Ok(())
        })?;
        Ok(out)
    }
}

impl FieldAttributes {
    pub fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut out = Self { documentation: documentation(attributes), ..Self::default() };
        each_nested(attributes, |meta| {
            let name = name(&meta)?;
            match name.as_str() {
                "key" => out.key = Some(meta.value()?.parse()?),
                "default" => out.default = Some(meta.value()?.parse()?),
                "importance" => out.importance = Some(meta.value()?.parse()?),
                "group" => out.group = Some(meta.value()?.parse()?),
                "order" => out.order = Some(meta.value()?.parse()?),
                "width" => out.width = Some(meta.value()?.parse()?),
                "display" => out.display = Some(meta.value()?.parse()?),
                "validator" => out.validator = Some(meta.value()?.parse()?),
                "recommender" => out.recommender = Some(meta.value()?.parse()?),
                "dependents" => out.dependents = Some(meta.value()?.parse()?),
                "aliases" => out.aliases = Some(meta.value()?.parse()?),
                "internal" => out.internal = true,
                "flatten" => out.flatten = true,
                "raw" => out.raw = true,
                _ => return Err(meta.error("not an attribute of a key; see raccord_config::Config")),
            }
            Ok(())
        })?;
        Ok(out)
    }
}

fn each_nested(
    attributes: &[Attribute],
    mut read: impl FnMut(ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("config")) {
        attribute.parse_nested_meta(&mut read)?;
    }
    Ok(())
}

fn name(meta: &ParseNestedMeta<'_>) -> Result<String> {
    meta.path.get_ident().map(Ident::to_string).ok_or_else(|| meta.error("expected a name"))
}

/// The doc comment: lines of a paragraph joined by blanks, paragraphs by line breaks.
fn documentation(attributes: &[Attribute]) -> String {
    let mut out = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(literal) = &pair.value else { continue };
        let Lit::Str(line) = &literal.lit else { continue };
        let line = line.value();
        let line = line.trim();
        if line.is_empty() {
            out.push('\n');
            continue;
        }
        if !out.is_empty() && !out.ends_with('\n') {
            out.push(' ');
        }
        out.push_str(line);
    }
    out.trim().to_owned()
}
