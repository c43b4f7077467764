//! What a question means, and what the views hold of it: names first, then incidents, then what is in scope.

use schemas::answer::{Question, TimeWindow};
use schemas::entity::EntityKind;
use schemas::read::ReadError;
use schemas::view::IndexKey;

use crate::error::InvestigateError;
use crate::evidence::{Found, Known, Reading};
use crate::investigate::Investigator;
use crate::scope::{self, Named, Resolved};

impl Investigator {
    /// Reads what a question is about, all of it as of one epoch.
    ///
    /// # Errors
    /// The question cannot be answered as it stands, or the engine has stopped.
    pub(crate) async fn understand(
        &self,
        question: &Question,
    ) -> Result<(Resolved, Known), InvestigateError> {
        let mut reading = Reading::begin(&self.reader, question).await?;
        let (mut window, mut notes) = scope::window(question, reading.as_of().event_time)?;
        let entities = reading.entities(scope::index_keys(question)).await?;
        let spoken = scope::name(question, &entities);
        let lacks_service = scope::lacks_service(question, &entities);
        let mut unknown = Vec::new();
        if lacks_service || !spoken.unknown.is_empty() {
            let services = reading.entities([IndexKey::kind(EntityKind::Service)].into()).await?;
            if lacks_service {
                return Err(scope::unknown_service(question, &services));
            }
            unknown = scope::unknown_words(&spoken, &services);
        }
        let (mut named, mut found) = find(&mut reading, &spoken, window).await?;
        // Words may be misread: what they seem to exclude is shown rather than nothing.
        if question.time_window.is_none() && window.is_some() && found.incidents.is_empty() {
            notes.push("no incident lies there; all incidents are shown".to_owned());
            window = None;
            (named, found) = find(&mut reading, &spoken, window).await?;
        }
        notes.extend(unknown);
        let resolved = scope::resolve(question, (window, notes), named, found);
        let known = reading.know(&resolved).await?;
        Ok((resolved, known))
    }
}

/// What is named in a window, with the entities that named ids lead to, and the incidents that it is about.
async fn find(
    reading: &mut Reading<'_>,
    spoken: &Named,
    window: Option<TimeWindow>,
) -> Result<(Named, Found), ReadError> {
    let mut named = spoken.clone();
    if !named.events.is_empty() || !named.correlated.is_empty() {
        let (episodes, events) = reading.whole(window).await?;
        named.entities.extend(scope::of_ids(spoken, &episodes, &events));
    }
    let found = reading.incidents(&named, window).await?;
    Ok((named, found))
}
