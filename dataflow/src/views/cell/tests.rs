//! Cells by example, and random ones against what each epoch shows, written down.

use std::collections::BTreeMap;

use differential_dataflow::Hashable;
use schemas::view::CoverageRow;

use super::*;

fn row(accepted: u64) -> Row {
    CoverageRow { source: String::new(), accepted, duplicate: 0, rejected: vec![], reached: None }.into()
}

fn begun(epoch: Epoch, row: &Row) -> Cell {
    Cell::begun(epoch, [(row.clone(), 1)].into_iter()).unwrap()
}

fn shown(cell: &Cell, epochs: std::ops::RangeInclusive<Epoch>) -> Vec<Option<Row>> {
    epochs.map(|epoch| cell.at(epoch).cloned()).collect()
}

#[test]
fn a_cell_shows_what_it_showed_until_that_is_forgotten() {
    let (one, two) = (row(1), row(2));
    let mut cell = begun(3, &one);
    cell.change(Epochs { epoch: 5, since: 2 }, [(one.clone(), -1)].into_iter());
    cell.change(Epochs { epoch: 6, since: 2 }, [(two.clone(), 1)].into_iter());
    let all = [None, Some(one.clone()), Some(one), None, Some(two.clone()), Some(two.clone())];
    assert_eq!(shown(&cell, 2..=7), all);
    // What an epoch that is still readable shows stays.
    for since in [4, 5, 6] {
        cell.compact(since);
        assert!(!cell.is_empty());
        let readable = usize::try_from(since - 2).unwrap_or(0);
        assert_eq!(shown(&cell, since..=7), all[readable..]);
    }
    assert!(matches!(cell, Cell::One(_)));
    cell.change(Epochs { epoch: 8, since: 6 }, [(two, -1)].into_iter());
    assert!(matches!(cell, Cell::One(_)), "no epoch before its beginning can be read");
    cell.compact(7);
    assert!(!cell.is_empty());
    assert_eq!(cell.compact(8), [row(2)]);
    assert!(cell.is_empty(), "nothing is left to show");
}

#[test]
fn a_row_that_goes_while_an_epoch_before_its_beginning_can_be_read_has_a_history() {
    let mut cell = begun(3, &row(1));
    cell.change(Epochs { epoch: 4, since: 2 }, [(row(1), -1)].into_iter());
    assert!(matches!(cell, Cell::Many(_)));
    assert_eq!(shown(&cell, 2..=4), [None, Some(row(1)), None]);
}

#[test]
fn a_change_without_effect_leaves_no_history() {
    let mut cell = begun(1, &row(1));
    assert!(cell.change(Epochs { epoch: 2, since: 1 }, [(row(1), -1), (row(1), 1)].into_iter()).is_none());
    assert!(cell.change(Epochs { epoch: 3, since: 1 }, [(row(2), 1), (row(2), -1)].into_iter()).is_none());
    assert!(matches!(cell, Cell::One(Only { turn, .. }) if turn == Turn::beginning(1)));
    assert!(Cell::begun(1, [(row(1), 1), (row(1), -1)].into_iter()).is_none());
}

#[test]
fn a_cell_is_three_words() {
    assert_eq!(size_of::<Cell>(), 3 * size_of::<u64>());
}

#[test]
#[should_panic = "a row was retracted more often than it was inserted"]
fn a_row_that_is_not_there_is_not_retracted() {
    begun(1, &row(1)).change(Epochs { epoch: 2, since: 1 }, [(row(2), -1), (row(1), 1)].into_iter());
}

/// A cell, what is there, and what each epoch shows.
#[derive(Default)]
struct Model {
    cell: Option<Cell>,
    there: BTreeMap<Row, Diff>,
    by_epoch: BTreeMap<Epoch, Option<Row>>,
}

impl Model {
    /// Some insertions and retractions in an order that takes no care, of few rows and so that mostly few are there.
    fn draw(&mut self, mut draw: impl FnMut(u64) -> u64) -> Vec<(Row, Diff)> {
        let mut updates = Vec::new();
        for _ in 0..draw(4) {
            let there = self.there.iter().filter(|(_, count)| 0 < **count).map(|(row, _)| row.clone());
            let there: Vec<Row> = there.collect();
            let (row, diff) = match usize::try_from(draw(5)).unwrap() {
                at if at < there.len() => (there[at].clone(), -1),
                _ if draw(10) == 0 => (row(draw(4)), 2),
                _ => (row(draw(4)), 1),
            };
            *self.there.entry(row.clone()).or_default() += diff;
            updates.insert(usize::try_from(draw(updates.len() as u64 + 1)).unwrap(), (row, diff));
        }
        self.there.retain(|_, count| *count != 0);
        updates
    }

    fn change(&mut self, epochs: Epochs, updates: Vec<(Row, Diff)>) {
        let wanted = self.there.last_key_value().map(|(row, _)| row.clone());
        if !updates.is_empty() {
            let last = self.by_epoch.last_key_value().and_then(|(_, row)| row.clone());
            let told = match &mut self.cell {
                Some(cell) => cell.change(epochs, updates.into_iter()),
                None => {
                    self.cell = Cell::begun(epochs.epoch, updates.into_iter());
                    self.cell.as_ref().map(|cell| (None, cell.row().cloned()))
                }
            };
            assert_eq!(told, (last != wanted).then(|| (last, wanted.clone())));
        }
        self.by_epoch.insert(epochs.epoch, wanted);
    }

    fn compact(&mut self, since: Epoch) {
        let Some(cell) = &mut self.cell else { return };
        let before: Vec<Row> = cell.readable().cloned().collect();
        let forgotten = cell.compact(since);
        let after: Vec<Row> = cell.readable().cloned().collect();
        assert_eq!([forgotten, after].concat(), before);
        let mut epochs = self.by_epoch.range(since..).map(|(_, row)| row);
        assert_eq!(cell.is_empty(), epochs.clone().all(Option::is_none));
        let first = epochs.next();
        if epochs.all(|row| Some(row) == first) {
            let alone = self.there.values().sum::<Diff>() <= 1;
            assert_eq!(matches!(cell, Cell::One(_)), alone, "as slim as it can be");
        }
        if cell.is_empty() {
            self.cell = None;
        }
    }
}

#[test]
fn a_cell_shows_as_of_each_epoch_what_a_list_by_epoch_says() {
    for seed in 0..500_u64 {
        let mut model = Model::default();
        let (mut since, mut number) = (1, 0_u64);
        let mut draw = |below: u64| {
            number += 1;
            (seed, number).hashed() % below
        };
        for epoch in 1..=40 {
            let updates = model.draw(&mut draw);
            model.change(Epochs { epoch, since }, updates);
            if draw(3) == 0 {
                since += draw(epoch - since + 1);
                model.compact(since);
            }
            for (epoch, wanted) in model.by_epoch.range(since..) {
                let found = model.cell.as_ref().and_then(|cell| cell.at(*epoch));
                assert_eq!(found, wanted.as_ref(), "seed {seed}, as of {epoch}");
            }
        }
    }
}
