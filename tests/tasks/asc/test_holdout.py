"""The validation part: whole places, about its share, every scene and city on both sides where that is possible."""

import numpy as np
import pytest

from tasks.asc.holdout import hold_out_locations


def clips(places):
    """Scene and place of each clip of `{(scene, place): clips}`."""
    rows = [key for key, count in places.items() for _ in range(count)]
    return [scene for scene, _ in rows], [place for _, place in rows]


def official_like(seed=0):
    """Ten scenes in six cities at two to five places of 12 to 36 clips: about as many as the training part has."""
    rng = np.random.default_rng(seed)
    places = {}
    for scene in range(10):
        for city in range(6):
            for _ in range(rng.integers(2, 6)):
                places[f"scene{scene}", f"city{city}-{len(places)}"] = int(rng.integers(12, 37))
    return clips(places)


@pytest.mark.parametrize("seed", range(5))
def test_no_place_is_in_both_parts_and_every_scene_and_city_is(seed):
    scenes, places = (np.array(values) for values in official_like(seed))
    held_out = hold_out_locations(scenes.tolist(), places.tolist(), 0.3, seed)
    assert not set(places[held_out]) & set(places[~held_out])
    cities = np.array([place.split("-")[0] for place in places])
    for scene in set(scenes):
        for city in set(cities):
            here = (scenes == scene) & (cities == city)
            assert 0 < held_out[here].sum() < here.sum()
    assert held_out.mean() == pytest.approx(0.3, abs=0.05)


def test_the_choice_depends_on_the_seed_alone():
    scenes, places = official_like()
    first = hold_out_locations(scenes, places, 0.3, 1)
    assert np.array_equal(first, hold_out_locations(scenes, places, 0.3, 1))
    assert not np.array_equal(first, hold_out_locations(scenes, places, 0.3, 2))
    order = np.random.default_rng(0).permutation(len(scenes))
    shuffled = hold_out_locations([scenes[i] for i in order], [places[i] for i in order], 0.3, 1)
    assert np.array_equal(shuffled, first[order])


def test_where_each_city_has_one_place_some_cities_are_held_out():
    scenes, places = clips({("park", f"city{i}-{i}"): 10 for i in range(4)})
    assert hold_out_locations(scenes, places, 0.3, 0).sum() == 10


def test_of_two_unequal_places_the_smaller_is_held_out():
    scenes, places = clips({("park", "paris-1"): 30, ("park", "vienna-2"): 20})
    held_out = hold_out_locations(scenes, places, 0.1, 0)
    assert {place for place, out in zip(places, held_out, strict=True) if out} == {"vienna-2"}


def test_the_place_nearest_to_the_share_is_taken():
    scenes, places = clips({("park", "paris-1"): 50, ("park", "paris-2"): 30, ("park", "paris-3"): 20})
    held_out = hold_out_locations(scenes, places, 0.3, 3)
    assert {place for place, out in zip(places, held_out, strict=True) if out} == {"paris-2"}


def test_the_only_place_of_a_scene_stays_in_training():
    scenes, places = clips({("park", "paris-1"): 10})
    assert not hold_out_locations(scenes, places, 0.5, 0).any()
