//! Who somebody is, as the claims of a token say.

use serde_json::{Map, Value};

use crate::gateway::auth::project_roles::{GROUP, is_wallet};
use crate::settings::gateway::oidc::OidcSettings;

/// The most characters of a name.
const LONGEST: usize = 256;
/// A claim that people may choose themselves, unless the provider has asked there.
const EMAIL: &str = "email";

/// Who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl Subject {
    /// Reads it from claims that have been checked, or says why it can be nobody.
    pub fn read(claims: &Map<String, Value>, settings: &OidcSettings) -> Result<Self, String> {
        let claim = &settings.username_claim;
        let name = claims.get(claim).and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("there is no text in claim {claim}"))?;
        if name.is_empty()
            || name.chars().count() > LONGEST
            || name.chars().any(char::is_control)
            || name.trim() != name
        {
            return Err(format!("claim {claim} is no name"));
        }
        // Roles of a wallet are for whoever has its key, and those of a group for its members.
        if is_wallet(name) || name.starts_with(GROUP) {
            return Err(format!("claim {claim} is a name of something else"));
        }
        let verified = claims.get("email_verified").unwrap_or(&Value::Bool(true));
        if claim == EMAIL && *verified != Value::Bool(true) {
            return Err("the address has not been verified".to_owned());
        }
        let groups = settings.groups_claim.as_ref();
        let groups = match groups.and_then(|claim| claims.get(claim)) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        Ok(Self {
            name: name.to_owned(),
            groups: groups.into_iter().map(str::to_owned).collect(),
        })
    }

    /// All that roles may be given to.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|group| format!("{GROUP}{group}"));
        groups.chain([self.name.clone()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::gateway::tests::settings;

    fn read(claims: &Value, flags: &[&str]) -> Result<Subject, String> {
        let flags = [&["--auth=oidc"][..], flags].concat();
        Subject::read(claims.as_object().unwrap(), &settings(&flags).oidc)
    }

    #[test]
    fn a_subject_has_a_name_and_groups() {
        let claims = json!({"sub": "alice", "groups": ["a", 7, "b"], "roles": "c"});
        let subject = read(&claims, &["--oidc-groups-claim=groups"]).unwrap();
        assert_eq!(subject.all(), ["group:a", "group:b", "alice"]);
        let subject = read(&claims, &["--oidc-groups-claim=roles"]).unwrap();
        assert_eq!(subject.groups, ["c"]);
        assert_eq!(read(&claims, &[]).unwrap().all(), ["alice"]);
    }

    #[test]
    fn a_name_cannot_be_that_of_something_else() {
        let long = "x".repeat(LONGEST + 1);
        for name in [
            json!(""),
            json!(" alice"),
            json!("al\nice"),
            json!(7),
            json!(["alice"]),
            json!(null),
            json!(long),
            json!("group:staff"),
            json!("0xabcdef0123456789abcdef0123456789abcdef01"),
            json!("0Xabc"),
        ] {
            assert!(read(&json!({"sub": name}), &[]).is_err(), "{name}");
        }
    }

    #[test]
    fn an_address_counts_once_it_is_verified() {
        let flags = ["--oidc-username-claim=email"];
        for (verified, good) in [
            (json!(true), true),
            (json!(false), false),
            (json!("false"), false),
        ] {
            let claims = json!({"email": "a@example.org", "email_verified": verified});
            assert_eq!(read(&claims, &flags).is_ok(), good, "{verified}");
        }
        assert!(read(&json!({"email": "a@example.org"}), &flags).is_ok());
        assert!(read(&json!({"sub": "a"}), &flags).is_err());
    }
}
