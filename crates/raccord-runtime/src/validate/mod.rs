//! What `PUT /connector-plugins/{plugin}/config/validate` answers, and the plugins that names in configs stand for.

mod version;

pub use version::{VersionRange, version_range};
