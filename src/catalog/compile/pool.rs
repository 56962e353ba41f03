//! Bounds of a credential pool.

use super::findings::At;
use super::provider::check_secret_name;
use crate::catalog::document::{DocumentErrorCode, Pool};
use crate::catalog::vault::MAX_CREDENTIALS;

pub(super) fn check(at: &mut At<'_>, pool: &Pool) {
    if let Some(name) = &pool.discover {
        check_secret_name(at, "/discover", name);
    }
    at.at_most("/keys", pool.keys.len(), MAX_CREDENTIALS);
    at.distinct("/keys", pool.keys.iter().map(|key| key.label.as_str()), "/label");
    for (index, key) in pool.keys.iter().enumerate() {
        at.text(format_args!("/keys/{index}/label"), &key.label, 64);
        for (field, name) in [("secret", &key.secret), ("store", &key.store)] {
            if let Some(name) = name {
                check_secret_name(at, &format!("/keys/{index}/{field}"), name);
            }
        }
        let places = [key.secret.is_some(), key.store.is_some(), key.sealed];
        if places.into_iter().filter(|given| *given).count() != 1 {
            let message = "say once where the value is: `secret`, `store` or `sealed`";
            at.error(format_args!("/keys/{index}"), DocumentErrorCode::InvalidValue, message);
        }
        at.within(format_args!("/keys/{index}/weight"), key.weight, 0..=1000);
        if let Some(group) = &key.quota_group {
            at.text(format_args!("/keys/{index}/quota_group"), group, 64);
        }
        at.patterns(&format!("/keys/{index}/models"), &key.models, 100);
    }
}
