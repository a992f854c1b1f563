//! [`Authority`]: which roles are deployed, and whose access key acts as which of them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::log::AccessLog;
use super::policy::Policy;
use super::session::{Place, Role, Session};

/// A role, as a deployment describes it.
#[derive(Debug, Clone)]
pub struct RoleSpec {
    /// Its ARN.
    pub arn: String,
    /// All its policies: its own, and the managed ones.
    pub policies: Vec<Policy>,
}

/// What is deployed. Cheap to clone; without roles everybody is the operator, who may do everything.
#[derive(Debug, Clone)]
pub struct Authority {
    place: Place,
    deployed: Arc<RwLock<Deployed>>,
    log: Option<Arc<AccessLog>>,
}

#[derive(Debug, Default)]
struct Deployed {
    /// By ARN.
    roles: BTreeMap<String, Arc<Role>>,
    /// By access key id.
    sessions: BTreeMap<String, Arc<Session>>,
    /// The KMS key of each bucket that is encrypted with one, by the bucket's name.
    keys: Arc<BTreeMap<String, String>>,
}

impl Authority {
    /// Without roles.
    pub fn new(region: &str, account: &str) -> Self {
        let place = Place { region: region.to_owned(), account: account.to_owned() };
        Self { place, deployed: Arc::default(), log: None }
    }

    /// Writes down everything that is asked from now on, once each, one JSON object a line.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn logging_to(mut self, path: &Path) -> io::Result<Self> {
        self.log = Some(Arc::new(AccessLog::create(path)?));
        Ok(self)
    }

    /// Replaces all roles, and with them all sessions. `keys` is the KMS key of each bucket that is encrypted with one.
    pub fn deploy(&self, roles: Vec<RoleSpec>, keys: BTreeMap<String, String>) {
        let role = |spec: RoleSpec| (spec.arn.clone(), Arc::new(Role::new(spec.arn, spec.policies)));
        let roles = roles.into_iter().map(role).collect();
        *self.deployed.write().unwrap_or_else(PoisonError::into_inner) =
            Deployed { roles, sessions: BTreeMap::new(), keys: Arc::new(keys) };
    }

    /// From now on `access_key_id` acts as the role, in a session of this name. Nothing if there is no such role.
    #[must_use]
    pub fn issue(&self, access_key_id: &str, role_arn: &str, session_name: &str) -> Option<()> {
        let session = self.assume(role_arn, session_name)?;
        let mut deployed = self.deployed.write().unwrap_or_else(PoisonError::into_inner);
        deployed.sessions.insert(access_key_id.to_owned(), Arc::new(session));
        Some(())
    }

    /// A session of a role that is deployed, as a service assumes it.
    pub fn assume(&self, role_arn: &str, session_name: &str) -> Option<Session> {
        let deployed = self.deployed.read().unwrap_or_else(PoisonError::into_inner);
        let role = deployed.roles.get(role_arn)?;
        let keys = Arc::clone(&deployed.keys);
        Some(Session::new(Arc::clone(role), session_name, self.place.clone(), keys, self.log.clone()))
    }

    /// Who an access key is; the operator's are in no session.
    pub(crate) fn session(&self, access_key_id: Option<&str>) -> Option<Arc<Session>> {
        let deployed = self.deployed.read().unwrap_or_else(PoisonError::into_inner);
        deployed.sessions.get(access_key_id?).cloned()
    }
}
