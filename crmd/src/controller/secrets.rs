//! Parameters that are kept out of the configuration, the same on every node.
//!
//! A change is an ordered message, as everything else; nodes that come into step tell what they
//! have, and the later one of two holds. The controller never shows a value.

use std::collections::BTreeMap;

use crm_lrm::secrets::{COUNT_MAX, Hidden, Secret};
use crm_messaging::group::NodeId;
use crm_messaging::proto::SecretUpdate;
use crm_messaging::proto::peer::Secret as SecretMessage;
use crm_messaging::proto::peer::envelope::Body;

use super::clients::{RequestId, Waiting};
use super::{Controller, Effect, Refusal, Reply};

/// What is known, by resource and parameter.
#[derive(Debug, Default)]
pub(super) struct Vault(BTreeMap<(String, String), Secret>);

impl Vault {
    /// Takes what is newer than what is there; true if it was.
    fn take(&mut self, secret: &Secret) -> bool {
        let key = (secret.resource.clone(), secret.parameter.clone());
        let known = self.0.get(&key);
        let fits = known.is_some() || self.0.len() < COUNT_MAX;
        let news = secret.check().is_ok() && fits && known.is_none_or(|k| secret.replaces(k));
        if news {
            self.0.insert(key, secret.clone());
        }
        news
    }

    /// Everything, for those who come into step.
    pub(super) fn to_wire(&self) -> Vec<SecretMessage> {
        self.0.values().map(|s| message(s.clone(), 0)).collect()
    }
}

fn message(secret: Secret, request: u64) -> SecretMessage {
    SecretMessage {
        request,
        resource: secret.resource,
        parameter: secret.parameter,
        value: secret.value.map(|v| v.0),
        stamp_ms: secret.stamp_ms,
    }
}

fn from_message(message: &SecretMessage) -> Secret {
    Secret {
        resource: message.resource.clone(),
        parameter: message.parameter.clone(),
        stamp_ms: message.stamp_ms,
        value: message.value.clone().map(Hidden),
    }
}

impl Controller {
    /// What this node has on its disk when the daemon starts.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Vec<Secret>) -> Controller {
        for secret in &secrets {
            self.vault.take(secret);
        }
        self
    }

    /// A client sets or deletes one.
    pub(super) fn update_secret(&mut self, id: RequestId, update: SecretUpdate) {
        let key = (update.resource.clone(), update.parameter.clone());
        let known = self.vault.0.get(&key);
        if known.is_none() && update.value.is_some() && self.vault.0.len() >= COUNT_MAX {
            let text = format!("there are {COUNT_MAX} secrets already");
            return self.refuse(id, Refusal::Invalid, text);
        }
        let secret = Secret {
            resource: update.resource,
            parameter: update.parameter,
            // Later than the one it replaces, whatever the clocks say.
            stamp_ms: self.now.wall_ms.max(known.map_or(0, |k| k.stamp_ms + 1)),
            value: update.value.map(Hidden),
        };
        if let Err(why) = secret.check() {
            return self.refuse(id, Refusal::Invalid, why);
        }
        if let Err(why) = self.commit_allowed() {
            return self.refuse(id, Refusal::NotNow, why);
        }
        let request = self.wait(Waiting::Secret(id));
        self.send(Body::Secret(message(secret, request)));
    }

    pub(super) fn deliver_secret(&mut self, from: NodeId, told: &SecretMessage) {
        let secret = from_message(told);
        self.take_secret(secret);
        if from == self.settings.local
            && let Some(Waiting::Secret(id)) = self.waiting.remove(&told.request)
        {
            self.reply(id, Reply::Done);
        }
    }

    /// What others have that this node lacks.
    pub(super) fn take_secrets(&mut self, told: &[SecretMessage]) {
        told.iter().map(from_message).for_each(|secret| self.take_secret(secret));
    }

    fn take_secret(&mut self, secret: Secret) {
        if self.vault.take(&secret) {
            self.out.push(Effect::KeepSecret(secret));
        }
    }
}
