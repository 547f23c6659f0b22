//! What a request says of its sender: in headers, in its body, or in its query. The original server read the
//! body alone, its documentation and its clients speak of headers.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::caller::{Authority, Caller};
use super::fault::Fault;
use super::role::Role;

/// Header, and its field in a body or query.
const WALLET: (&str, &str) = ("x-user-wallet", "user_wallet");
const ROLE: (&str, &str) = ("x-user-role", "user_role");
const CONTRACT: (&str, &str) = ("x-contract-address", "contract_address");
const PROJECT: &str = "project_id";

/// What a request says of its sender, unproven.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    wallet: Option<String>,
    role: Option<String>,
    contract: Option<String>,
    project: Option<String>,
}

/// Who acts in which project, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The wallet in lower case, or the name by which the cluster or the provider knows the caller.
    pub wallet: String,
    /// The role.
    pub role: Role,
    /// The project.
    pub project: String,
    /// The address of the project's contract, as it was sent.
    pub contract: Option<String>,
}

impl Claims {
    /// Reads them. Headers come first; a body that says otherwise is refused.
    pub fn read(
        headers: &HeaderMap,
        body: &Map<String, Value>,
        query: &BTreeMap<String, String>,
    ) -> Result<Self, Fault> {
        let find = |(header, field): (&str, &str)| -> Result<Option<String>, Fault> {
            let sent = headers.get_all(header).iter().collect::<Vec<_>>();
            let head =
                match sent[..] {
                    [] => None,
                    [one] => Some(one.to_str().map_err(|_| {
                        Fault::identity(&format!("header {header} is not plain text"))
                    })?),
                    _ => return Err(Fault::identity(&format!("header {header} was sent twice"))),
                };
            let head = head.filter(|text| !text.is_empty());
            let field_of_body = text_of(body, field)?;
            if let (Some(head), Some(body)) = (head, &field_of_body)
                && !head.eq_ignore_ascii_case(body)
            {
                let why = format!("header {header} and field {field} differ");
                return Err(Fault::identity(&why));
            }
            let head = head.map(str::to_owned).or(field_of_body);
            Ok(head.or_else(|| query.get(field).cloned()))
        };
        Ok(Self {
            wallet: find(WALLET)?,
            role: find(ROLE)?,
            contract: find(CONTRACT)?,
            project: text_of(body, PROJECT)?.or_else(|| query.get(PROJECT).cloned()),
        })
    }

    /// The wallet that is named, if it can be one.
    #[must_use]
    pub fn wallet(&self) -> Option<String> {
        let wallet = self.wallet.as_ref()?.to_lowercase();
        wallet.starts_with("0x").then_some(wallet)
    }

    /// Names a wallet where none was named, and with it the one who runs its own project.
    pub fn suppose(&mut self, wallet: Option<&str>) {
        if self.wallet.is_none() {
            self.wallet = wallet.map(str::to_owned);
            self.role.get_or_insert_with(|| "coordinator".to_owned());
        }
    }

    /// Who acts, in the project of the path or, without one, in the one that is named.
    pub fn identity(&self, caller: &Caller, path: Option<&str>) -> Result<Identity, Fault> {
        let wallet = self.proven_wallet(caller)?;
        let project = path.or(self.project.as_deref());
        let project = project.filter(|project| !project.is_empty());
        let project = project.ok_or_else(|| Fault::identity("project_id is required"))?;
        let claimed = self.claimed_role()?;
        let role = match &caller.authority {
            Authority::Claims { .. } => claimed.unwrap_or(Role::Contributor),
            // The cluster decides; a role is no more than what is shown.
            Authority::Cluster => claimed.unwrap_or(Role::Coordinator),
            Authority::Projects(roles) => {
                let role = roles.in_project(project).ok_or_else(|| {
                    Fault::forbidden(format!("Permission denied: no role in project '{project}'"))
                })?;
                if claimed.is_some_and(|claimed| claimed != role) {
                    return Err(Fault::forbidden(format!(
                        "Permission denied: the role in project '{project}' is '{}'",
                        role.as_str()
                    )));
                }
                role
            }
        };
        Ok(Identity {
            wallet,
            role,
            project: project.to_owned(),
            contract: self.contract.clone(),
        })
    }

    /// Refuses a wallet that is named and is not the one that is proven.
    pub fn require_own_wallet(&self, caller: &Caller) -> Result<(), Fault> {
        match (&caller.authority, &caller.name, &self.wallet) {
            (Authority::Projects(_), Some(name), Some(named))
                if name.starts_with("0x") && *name != named.to_lowercase() =>
            {
                Err(Fault::forbidden(
                    "Permission denied: the wallet that is named is not the one that signed in",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The wallet of the caller. One that is named must be the one that is proven.
    fn proven_wallet(&self, caller: &Caller) -> Result<String, Fault> {
        self.require_own_wallet(caller)?;
        let named = match &self.wallet {
            None => None,
            Some(_) => Some(
                self.wallet()
                    .ok_or_else(|| Fault::identity("Invalid user_wallet address"))?,
            ),
        };
        match (&caller.authority, &caller.name, named) {
            (Authority::Claims { .. }, _, None) => {
                Err(Fault::identity("Invalid user_wallet address"))
            }
            (Authority::Projects(_), Some(name), _) | (_, Some(name), None) => Ok(name.clone()),
            (_, _, Some(named)) => Ok(named),
            (_, None, None) => Err(Fault::internal("a caller without a name")),
        }
    }

    fn claimed_role(&self) -> Result<Option<Role>, Fault> {
        let Some(text) = &self.role else {
            return Ok(None);
        };
        let role = Role::read(text).ok_or_else(|| {
            Fault::identity(&format!(
                "Invalid user_role: {}. Must be 'coordinator' or 'contributor'",
                crate::words::show(text)
            ))
        })?;
        Ok(Some(role))
    }
}

impl Identity {
    /// Refuses what the role does not permit.
    pub fn require(&self, permission: &str) -> Result<(), Fault> {
        if self.role.permits(permission) {
            return Ok(());
        }
        Err(Fault::forbidden(format!(
            "Permission denied: Role '{}' does not have permission '{permission}'",
            self.role.as_str()
        )))
    }
}

/// A text of a body. Empty ones count as absent.
fn text_of(body: &Map<String, Value>, field: &str) -> Result<Option<String>, Fault> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) if field == PROJECT => Ok(Some(number.to_string())),
        Some(_) => Err(Fault::identity(&format!("{field} must be a string"))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::gateway::caller::Roles;
    use crate::gateway::testing::caller;

    fn claims(headers: &[(&'static str, &str)], body: &Value) -> Result<Claims, Fault> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Claims::read(&headers, body.as_object().unwrap(), &BTreeMap::new())
    }

    fn believed(claims: &Claims) -> Result<Identity, Fault> {
        let caller = caller(None, Authority::Claims { open_reads: true });
        claims.identity(&caller, None)
    }

    #[rstest]
    #[case::no_wallet(json!({"project_id": "p"}), "Invalid user_wallet address")]
    #[case::no_address(json!({"user_wallet": "alice", "project_id": "p"}), "Invalid user_wallet address")]
    #[case::a_number(json!({"user_wallet": 7, "project_id": "p"}), "user_wallet must be a string")]
    #[case::no_project(json!({"user_wallet": "0x1"}), "project_id is required")]
    #[case::a_strange_role(
        json!({"user_wallet": "0x1", "project_id": "p", "user_role": "observer"}),
        "Invalid user_role: observer. Must be 'coordinator' or 'contributor'"
    )]
    #[tokio::test]
    async fn a_wrong_claim_is_told_in_the_original_words(#[case] body: Value, #[case] rule: &str) {
        let fault = claims(&[], &body)
            .and_then(|claims| believed(&claims))
            .unwrap_err();
        assert_eq!(fault.message, format!("Request validation error: {rule}"));
        assert_eq!(fault.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn headers_come_first_and_must_not_differ_from_the_body() {
        let headers = [("x-user-wallet", "0xABC"), ("x-user-role", "coordinator")];
        let same = claims(
            &headers,
            &json!({"user_wallet": "0xabc", "project_id": "p"}),
        )
        .unwrap();
        let identity = believed(&same).unwrap();
        assert_eq!(
            (identity.wallet.as_str(), identity.role),
            ("0xabc", Role::Coordinator)
        );
        let other = claims(&headers, &json!({"user_wallet": "0xdef"})).unwrap_err();
        assert!(
            other
                .message
                .contains("x-user-wallet and field user_wallet differ")
        );
        let twice = [("x-user-wallet", "0x1"), ("x-user-wallet", "0x2")];
        let headers = twice
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .fold(
                HeaderMap::new(),
                |mut map, (name, value): (axum::http::HeaderName, _)| {
                    map.append(name, value);
                    map
                },
            );
        let twice = Claims::read(&headers, &Map::new(), &BTreeMap::new()).unwrap_err();
        assert!(twice.message.contains("sent twice"));
    }

    #[tokio::test]
    async fn a_proven_wallet_cannot_speak_for_another() {
        let roles = Roles {
            elsewhere: None,
            projects: [("p".to_owned(), Role::Contributor)].into(),
        };
        let caller = caller(Some("0xabc"), Authority::Projects(roles));
        let says = |wallet: &str, role: &str, project: &str| {
            let headers = [("x-user-wallet", wallet), ("x-user-role", role)];
            let claims = claims(&headers, &json!({"project_id": project})).unwrap();
            claims.identity(&caller, None)
        };
        assert_eq!(says("0xABC", "contributor", "p").unwrap().wallet, "0xabc");
        for (wallet, role, project) in [
            ("0xdef", "contributor", "p"),
            ("0xabc", "coordinator", "p"),
            ("0xabc", "contributor", "other"),
        ] {
            let fault = says(wallet, role, project).unwrap_err();
            assert_eq!(
                fault.status,
                StatusCode::FORBIDDEN,
                "{wallet} {role} {project}"
            );
        }
    }

    #[test]
    fn permissions_are_those_of_the_role() {
        let identity = |role| Identity {
            wallet: "0x1".into(),
            role,
            project: "p".into(),
            contract: None,
        };
        assert!(
            identity(Role::Coordinator)
                .require("submit_workflow")
                .is_ok()
        );
        let fault = identity(Role::Contributor)
            .require("submit_workflow")
            .unwrap_err();
        assert_eq!(
            fault.message,
            "Permission denied: Role 'contributor' does not have permission 'submit_workflow'"
        );
    }
}
