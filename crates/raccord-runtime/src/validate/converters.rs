//! Keys of converters that a connector names itself: `value.converter.schemas.enable` and the like.

use indexmap::IndexMap;
use raccord_config::{AnyClass, ConfigValue};
use raccord_plugin::RawConfig;

use super::framework::CONVERTERS;
use super::infos::{ConfigInfos, in_java_order};
use super::registry::Registry;
use super::{NotFound, VersionRange};

/// Validates the keys of all converters that the connector names. A version that is not there is a finding at the
/// connector's own keys, which are changed then.
pub(super) fn validate(
    registry: Registry,
    raw: &RawConfig,
    values: &mut IndexMap<String, ConfigValue>,
) -> ConfigInfos {
    let mut infos = ConfigInfos::default();
    for (class_key, version_key, kind) in CONVERTERS {
        let valid = |key: &str| values.get(key).is_some_and(|value| value.errors.is_empty());
        let Some(class) = raw.get(class_key).filter(|_| valid(class_key) && valid(version_key)) else {
            continue;
        };
        let Some(plugin) = registry.find(class.trim(), &[kind]) else { continue };
        let range = VersionRange::requirement(raw.get(version_key)).ok().flatten();
        if let Err(NotFound::Version { message, .. }) = registry.check_version(plugin, range.as_ref()) {
            for key in [class_key, version_key] {
                if let Some(value) = values.get_mut(key) {
                    value.errors.push(message.clone());
                }
            }
            continue;
        }
        let prefix = format!("{class_key}.");
        let mut own = raw.with_prefix(&prefix);
        if !own.contains_key("converter.type") {
            own.insert("converter.type", class_key.trim_end_matches(".converter").to_owned());
        }
        let def = (plugin.config)();
        let validated = in_java_order(def.validate_all(&own, &AnyClass));
        infos.merge(ConfigInfos::of_prefixed(&prefix, def, validated));
    }
    infos
}
