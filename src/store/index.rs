//! Which series there are: labels to id, and tenant to name to ids. Label texts are kept once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::size_of;
use std::sync::Arc;

use crate::model::labels::{Label, Labels};
use crate::model::series::SeriesId;

/// The label by which series are kept apart.
pub const TENANT: &str = "tenant";

/// Series of one tenant by name; ids ascend.
pub type Names = BTreeMap<Arc<str>, Vec<SeriesId>>;

/// The index. It knows identities, not samples.
#[derive(Debug, Default)]
pub struct Index {
    by_labels: HashMap<Labels, SeriesId>,
    tenants: BTreeMap<Arc<str>, Names>,
    texts: HashSet<Arc<str>>,
}

impl Index {
    pub fn id(&self, labels: &Labels) -> Option<SeriesId> {
        self.by_labels.get(labels).copied()
    }

    pub fn tenants(&self) -> &BTreeMap<Arc<str>, Names> {
        &self.tenants
    }

    /// Adds a series and gives back its labels in the texts kept here.
    pub fn insert<'a>(&mut self, id: SeriesId, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
        let labels: Labels = pairs.map(|(name, value)| (self.keep(name), self.keep(value))).collect();
        self.by_labels.insert(labels.clone(), id);
        let (tenant, name) = (self.keep(labels.value(TENANT)), self.keep(labels.name()));
        let ids = self.tenants.entry(tenant).or_default().entry(name).or_default();
        ids.reserve_exact(1 + ids.len() / 8);
        let place = ids.partition_point(|one| *one < id);
        ids.insert(place, id);
        labels
    }

    /// Removes a series. Its texts stay until `forget_texts`.
    pub fn remove(&mut self, id: SeriesId, labels: &Labels) {
        self.by_labels.remove(labels);
        let Some(names) = self.tenants.get_mut(labels.value(TENANT)) else { return };
        if let Some(ids) = names.get_mut(labels.name()) {
            if let Ok(place) = ids.binary_search(&id) {
                ids.remove(place);
            }
            if ids.is_empty() {
                names.remove(labels.name());
            }
        }
        if names.is_empty() {
            self.tenants.remove(labels.value(TENANT));
        }
    }

    /// Drops the texts that no series uses any more.
    pub fn forget_texts(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    /// Bytes asked of the allocator, with 16 for its own use per allocation.
    pub fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|text| text.len() + 16 + 16).sum();
        let labels: usize = self.by_labels.keys().map(|labels| labels.len() * size_of::<Label>() + 16 + 16).sum();
        let names: usize =
            self.tenants.values().flat_map(BTreeMap::values).map(|ids| ids.capacity() * 4 + 16 + 64).sum();
        let tables = self.texts.capacity() * (size_of::<Arc<str>>() + 1) * 8 / 7
            + self.by_labels.capacity() * (size_of::<(Labels, SeriesId)>() + 1) * 8 / 7;
        texts + labels + names + tables
    }

    fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.texts.get(text) {
            return kept.clone();
        }
        let kept: Arc<str> = text.into();
        self.texts.insert(kept.clone());
        kept
    }
}
