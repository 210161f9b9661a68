from collections import Counter, defaultdict

import pytest
from published_checks import assert_fraction, find, label, rows_of

RESULTS_PAGE = "DCASE 2018 task 2 results page"
BASELINE = "General-purpose Tagging of Freesound Audio with AudioSet Labels: Task Description, Dataset, and Baseline"
SURREY = "Surrey cross-task CNN baseline"
WEI = "A Report on Audio Tagging with Deeper CNN, 1D-ConvNet and 2D-ConvNet"
AALTO = "The Aalto System Based on Fine-Tuned AudioSet Features for DCASE2018 Task 2"
PANTIC = "Ensemble of Convolutional Neural Networks for General-Purpose Audio Tagging"
JKU = "Training General-Purpose Audio Tagging Networks with Noisy Labels and Iterative Self-Verification"
JEONG = "Audio tagging system using densely connected convolutional networks"
XU = "Meta learning based audio tagging"
IQBAL = "General-purpose audio tagging from noisy labels using convolutional neural networks"
NTU = (
    "DCASE 2018 Task 2: Iterative Training, Label Smoothing, and Background Noise Normalization for Audio Event Tagging"
)
LEDERLE = "Combining high-level features of raw audio waves and mel-spectrograms for audio tagging"
WILKINGHOFF = "General-Purpose Audio Tagging by Ensembling Convolutional Neural Networks Based on Multiple Features"
README = "audio-tagging repository README"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
CELLS = {
    (RESULTS_PAGE, "Systems ranking"): 4,  # baseline, Jeong x (private, public)
    (BASELINE, "Table 2"): 41,  # a class each
    (BASELINE, "text"): 3,  # whole, public, private
    (SURREY, "Table 3"): 24,  # 4 folds and their average x 4 columns, 2 public, 2 private
    (WEI, "Table 3"): 8,  # 4 lengths x (validation accuracy, public)
    (WEI, "Table 4"): 4,  # 4 features
    (WEI, "Table 5"): 123,  # 41 classes x (whole, private, public)
    (WEI, "text"): 7,  # 0.704 0.798 0.961 0.938 0.967 0.942 0.947
    (AALTO, "Table 2"): 9,  # baseline, original VGGish, 2 x (first, last, all), ensemble
    (AALTO, "Table 3"): 8,  # A to H
    (AALTO, "Table 4"): 7,  # 6 numbers of segments, ensemble
    (PANTIC, "Table 3"): 11,  # configurations
    (PANTIC, "Table 4"): 41,  # a class each
    (PANTIC, "text"): 6,  # baseline, ensemble x (public, private, whole)
    (JKU, "Table 2"): 6,  # (MAP@3, accuracy) x (public, private, both)
    (JKU, "text"): 4,  # 0.951 93.87 95.56 96.01
    (JEONG, "Table 1"): 12,  # (log-mel, waveform, both) x (3 sample rates, all)
    (XU, "Table 1"): 32,  # 16 networks x (public, private)
    (XU, "text"): 3,  # 0.704 0.977 0.951
    (IQBAL, "Table 4"): 6,  # 4 networks, mean, stacking
    (IQBAL, "Table 5"): 8,  # baseline x 2, (4 models, 8 models) x (private, public, all)
    (NTU, "Table 2"): 4,  # iterations 1 to 4
    (NTU, "Table 3"): 28,  # (8 models, 6 ensembles) x (public, private)
    (NTU, "text"): 19,  # M1, M2, M1+2, M1-3, M1-6, M1-7, M1-8 x (public, private), 4 iterations, 0.9635
    (LEDERLE, "Table 3"): 27,  # 3 networks x 3 lengths x (public, private, total)
    (LEDERLE, "Table 4"): 41,  # a class each
    (WILKINGHOFF, "text"): 6,  # 0.9414 0.6945 0.7049 0.511, 0.85 for two classes
    (README, "Fine-tuned Classification Models"): 1,  # accuracy
}
# Scored clips of each class, printed beside the scores in Pantic's Table 4.
SCORED_CLIPS = {
    "Acoustic_guitar": 45,
    "Applause": 32,
    "Bark": 28,
    "Bass_drum": 28,
    "Burping_or_eructation": 32,
    "Bus": 25,
    "Cello": 54,
    "Chime": 29,
    "Clarinet": 56,
    "Computer_keyboard": 26,
    "Cough": 30,
    "Cowbell": 42,
    "Double_bass": 40,
    "Drawer_open_or_close": 29,
    "Electric_piano": 32,
    "Fart": 30,
    "Finger_snapping": 33,
    "Fireworks": 32,
    "Flute": 55,
    "Glockenspiel": 29,
    "Gong": 37,
    "Gunshot_or_gunfire": 63,
    "Harmonica": 33,
    "Hi-hat": 39,
    "Keys_jangling": 28,
    "Knock": 39,
    "Laughter": 38,
    "Meow": 29,
    "Microwave_oven": 29,
    "Oboe": 42,
    "Saxophone": 110,
    "Scissors": 25,
    "Shatter": 29,
    "Snare_drum": 34,
    "Squeak": 29,
    "Tambourine": 40,
    "Tearing": 27,
    "Telephone": 48,
    "Trumpet": 37,
    "Violin_or_fiddle": 108,
    "Writing": 29,
}
PUBLIC_CLIPS, PRIVATE_CLIPS = 301, 1299
FAMILIES = ("map@3", "accuracy")
FOLDS = ("1", "2", "3", "4")
METRICS = {f"{family}{part}" for family in FAMILIES for part in ("", "/public", "/private", *(f"/{f}" for f in FOLDS))}
SPLITS = {"development", "leaderboard", "evaluation", "validation"}
SELECTIONS = {"none", "test", "unknown"}
PROTOCOLS = {
    "official-test",
    "verified-4-fold",
    "verified-4-fold-stratified",  # the unverified clips are divided too
    "verified-5-fold",  # out of fold, of all folds only the verified clips
    "5-fold",
    "7-fold",
    "non-verified-pool",  # training clips not yet verified, scored against the labels in doubt
}
OFFICIAL = "fsdkaggle2018-baseline"
WINNER = "densenet-multihead-jeong"
FIVE_CNNS = "wilkinghoff-multifeature-fusion"
VERIFIER = "ntu-label-verification-verifier-iteration"

ROWS = rows_of("tagging")


def _find(system, metric, source, table, class_name=""):
    return find(ROWS, system=system, metric=metric, source=source, table=table, class_name=class_name)


def _by_class(system, metric, source, table):
    return {
        r.class_name: r.value
        for r in ROWS
        if (r.system, r.metric, r.source, r.table) == (system, metric, source, table) and r.class_name
    }


def _over_clips(by_class):
    assert by_class.keys() == SCORED_CLIPS.keys()
    return sum(SCORED_CLIPS[name] * value for name, value in by_class.items()) / sum(SCORED_CLIPS.values())


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 493


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row)
    assert row.std is None


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} <= METRICS
    assert {row.split for row in ROWS} <= SPLITS
    assert {row.selection for row in ROWS} <= SELECTIONS
    assert {row.protocol for row in ROWS} <= PROTOCOLS
    assert {row.class_name for row in ROWS} == {"", *SCORED_CLIPS}


def test_every_metric_is_of_a_family_that_the_task_produces():
    assert {row.metric.partition("/")[0] for row in ROWS} == set(FAMILIES)


def test_classes_are_the_challenges():
    assert len(SCORED_CLIPS) == 41
    assert sum(SCORED_CLIPS.values()) == PUBLIC_CLIPS + PRIVATE_CLIPS


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == {OFFICIAL}
    assert {row.system for row in ROWS if row.role == "winner"} == {WINNER}


def test_split_and_protocol_go_together():
    on_test = [row for row in ROWS if row.protocol == "official-test"]
    assert {row.split for row in on_test if row.metric.endswith("/public")} == {"leaderboard"}
    assert {row.split for row in on_test if not row.metric.endswith("/public")} == {"evaluation"}
    assert {row.split for row in ROWS if row.protocol == "non-verified-pool"} == {"validation"}
    folds = [row for row in ROWS if row.protocol.endswith(("-fold", "-fold-stratified"))]
    assert {row.split for row in folds} == {"development"}
    assert len(on_test) + len(folds) + 4 == len(ROWS)


def test_private_scores_chose_nothing():
    assert {row.selection for row in ROWS if row.metric.endswith("/private")} == {"none"}


@pytest.mark.parametrize("system", ["cnn4", "cnn8"])
@pytest.mark.parametrize("score", FAMILIES)
def test_surrey_average_is_the_mean_over_folds(system, score):
    folds = [_find(system, f"{score}/{fold}", SURREY, "Table 3") for fold in FOLDS]
    average = _find(system, score, SURREY, "Table 3")
    assert {row.protocol for row in (*folds, average)} == {"verified-4-fold"}
    assert average.value == pytest.approx(sum(row.value for row in folds) / 4, abs=5.1e-4)


def test_whole_test_set_is_the_mean_of_its_parts_over_clips():
    parts = defaultdict(dict)
    for row in ROWS:
        if row.protocol == "official-test" and not row.class_name:
            family, _, part = row.metric.partition("/")
            parts[row.system, family, row.source, row.table][part] = row.value
    complete = {key: found for key, found in parts.items() if found.keys() == {"", "public", "private"}}
    assert len(complete) == 17  # Lederle 9, Iqbal 2, JKU 2, Pantic 2, Wei 1, baseline 1
    for key, found in complete.items():
        mean = (PUBLIC_CLIPS * found["public"] + PRIVATE_CLIPS * found["private"]) / (PUBLIC_CLIPS + PRIVATE_CLIPS)
        # The baseline is printed with two digits, all others with three or more.
        tolerance = 1.01e-2 if key[0] == OFFICIAL else 1.01e-3
        assert found[""] == pytest.approx(mean, abs=tolerance), key


@pytest.mark.parametrize(
    ("system", "source", "table", "printed"),
    [
        (OFFICIAL, BASELINE, "Table 2", "0.70"),
        ("1d-2d-convnet", WEI, "Table 5", "0.947"),
        ("cnn-stacking-pantic", PANTIC, "Table 4", "0.945"),
        ("raw-mel-joint-lederle", LEDERLE, "Table 4", "0.948"),
    ],
)
def test_mean_of_classes_over_clips_is_the_score_of_all_clips(system, source, table, printed):
    elsewhere = "Table 3" if source == LEDERLE else "text"
    overall = _find(system, "map@3", source, elsewhere)
    assert overall.printed == printed
    digits = len(printed.partition(".")[2])
    assert _over_clips(_by_class(system, "map@3", source, table)) == pytest.approx(overall.value, abs=0.55 / 10**digits)


@pytest.mark.parametrize(
    ("metric", "mean"), [("map@3", 0.9385), ("map@3/private", 0.9323), ("map@3/public", 0.9663)]
)  # worked out on paper from Table 5
def test_class_means_of_the_three_parts(metric, mean):
    by_class = _by_class("1d-2d-convnet", metric, WEI, "Table 5")
    assert by_class.keys() == SCORED_CLIPS.keys()
    assert sum(by_class.values()) / 41 == pytest.approx(mean, abs=6e-5)


def test_baseline_class_mean():
    by_class = _by_class(OFFICIAL, "map@3", BASELINE, "Table 2")
    assert sum(by_class.values()) / 41 == pytest.approx(0.680, abs=5.1e-4)


def test_winning_paper_prints_the_private_score():
    # The paper does not name the part; its last cell is the results page's private score, far from the public one.
    printed = _find(WINNER, "map@3/private", JEONG, "Table 1").value
    assert printed == pytest.approx(_find(WINNER, "map@3/private", RESULTS_PAGE, "Systems ranking").value, abs=5.1e-4)
    assert _find(WINNER, "map@3/public", RESULTS_PAGE, "Systems ranking").value == 0.9751


@pytest.mark.parametrize(
    ("first", "second", "third", "wrong", "mean"),
    [
        (3910, 537, 256, 1060, "0.740"),
        (1420, 473, 276, 914, "0.567"),
        (900, 456, 195, 845, "0.498"),
        (576, 379, 221, 827, "0.419"),
    ],
)  # the counts of the same table
def test_ntu_verification_scores_follow_from_the_counts(first, second, third, wrong, mean):
    iteration = ("0.740", "0.567", "0.498", "0.419").index(mean) + 1
    row = _find(f"{VERIFIER}-{iteration}", "map@3", NTU, "Table 2")
    assert row.printed == mean
    assert row.value == pytest.approx((first + second / 2 + third / 3) / (first + second + third + wrong), abs=5.1e-4)


@pytest.mark.parametrize(
    ("system", "metric", "class_name", "source", "table", "printed", "value", "protocol", "selection"),
    [
        (OFFICIAL, "map@3/private", "", RESULTS_PAGE, "Systems ranking", "0.6943", 0.6943, "official-test", "none"),
        (OFFICIAL, "map@3/public", "", RESULTS_PAGE, "Systems ranking", "0.7049", 0.7049, "official-test", "none"),
        (WINNER, "map@3/private", "", RESULTS_PAGE, "Systems ranking", "0.9538", 0.9538, "official-test", "none"),
        (WINNER, "map@3/private", "", JEONG, "Table 1", "0.954", 0.954, "official-test", "none"),
        (f"{WINNER}-waveform-44khz", "map@3/private", "", JEONG, "Table 1", "0.915", 0.915, "official-test", "none"),
        (f"{WINNER}-logmel", "map@3/private", "", JEONG, "Table 1", "0.947", 0.947, "official-test", "none"),
        (f"{WINNER}-32khz", "map@3/private", "", JEONG, "Table 1", "0.949", 0.949, "official-test", "none"),
        (OFFICIAL, "map@3", "Drawer_open_or_close", BASELINE, "Table 2", "0.05", 0.05, "official-test", "none"),
        (OFFICIAL, "map@3", "Writing", BASELINE, "Table 2", "0.66", 0.66, "official-test", "none"),
        (OFFICIAL, "map@3/private", "", BASELINE, "text", "0.69", 0.69, "official-test", "none"),
        ("cnn8", "map@3", "", SURREY, "Table 3", "0.928", 0.928, "verified-4-fold", "none"),
        ("cnn4", "accuracy/2", "", SURREY, "Table 3", "0.824", 0.824, "verified-4-fold", "none"),
        ("cnn8", "map@3/private", "", SURREY, "Table 3", "0.903", 0.903, "official-test", "none"),
        ("cnn4", "map@3/public", "", SURREY, "Table 3", "0.885", 0.885, "official-test", "none"),
        ("1d-2d-convnet-1d-5s", "accuracy", "", WEI, "Table 3", "0.7252", 0.7252, "5-fold", "test"),
        ("1d-2d-convnet-1d-4s", "map@3/public", "", WEI, "Table 3", "0.869", 0.869, "official-test", "none"),
        ("1d-2d-convnet-2d-logmel", "accuracy", "", WEI, "Table 4", "0.8662", 0.8662, "7-fold", "test"),
        ("1d-2d-convnet-2d-logmel", "map@3/public", "", WEI, "text", "0.961", 0.961, "official-test", "test"),
        ("1d-2d-convnet", "map@3/private", "", WEI, "text", "0.942", 0.942, "official-test", "none"),
        ("1d-2d-convnet", "map@3/public", "", WEI, "text", "0.967", 0.967, "official-test", "unknown"),
        ("1d-2d-convnet", "map@3/public", "Hi-hat", WEI, "Table 5", "0.9048", 0.9048, "official-test", "unknown"),
        ("1d-2d-convnet", "map@3/private", "Squeak", WEI, "Table 5", "0.5069", 0.5069, "official-test", "none"),
        ("1d-2d-convnet", "map@3/public", "Oboe", WEI, "Table 5", "1", 1.0, "official-test", "unknown"),
        (f"{OFFICIAL}-longer", "map@3/public", "", WEI, "text", "0.798", 0.798, "official-test", "none"),
        ("aalto-original-vggish", "map@3/public", "", AALTO, "Table 2", "0.606", 0.606, "official-test", "none"),
        ("aalto-1-segment", "map@3/public", "", AALTO, "Table 2", "0.903", 0.903, "official-test", "none"),
        ("aalto-1-segment", "map@3/public", "", AALTO, "Table 3", "0.903", 0.903, "official-test", "none"),
        ("aalto-lstm", "map@3/public", "", AALTO, "Table 3", "0.914", 0.914, "official-test", "none"),
        ("aalto", "map@3/public", "", AALTO, "Table 3", "0.936", 0.936, "official-test", "test"),
        ("aalto", "map@3/public", "", AALTO, "Table 4", "0.936", 0.936, "official-test", "test"),
        ("aalto-1-segment-attention", "map@3/public", "", AALTO, "Table 4", "0.917", 0.917, "official-test", "test"),
        ("cnn-stacking-pantic-model-2-cqt-4s", "map@3", "", PANTIC, "Table 3", "0.915", 0.915, "official-test", "none"),
        ("cnn-stacking-pantic", "map@3", "Fireworks", PANTIC, "Table 4", "0.76", 0.76, "official-test", "none"),
        ("cnn-stacking-pantic", "map@3", "", PANTIC, "text", "0.945", 0.945, "official-test", "none"),
        ("cp-jku-self-verification", "map@3/private", "", JKU, "Table 2", "0.9518", 0.9518, "official-test", "none"),
        ("cp-jku-self-verification", "accuracy", "", JKU, "Table 2", "92.812", 0.92812, "official-test", "none"),
        (
            "cp-jku-self-verification-iteration-7",
            "accuracy",
            "",
            JKU,
            "text",
            "96.01%",
            0.9601,
            "verified-4-fold-stratified",
            "test",
        ),
        (
            "meta-learning-xu-resnext101-mixup",
            "map@3/public",
            "",
            XU,
            "Table 1",
            "0.967",
            0.967,
            "official-test",
            "none",
        ),
        ("meta-learning-xu-dpn68-mixup", "map@3/private", "", XU, "Table 1", "0.922", 0.922, "official-test", "none"),
        ("meta-learning-xu", "map@3/private", "", XU, "text", "0.951", 0.951, "official-test", "none"),
        ("noisy-labels-iqbal-gcrnn", "map@3", "", IQBAL, "Table 4", "0.958", 0.958, "verified-5-fold", "test"),
        ("noisy-labels-iqbal", "map@3", "", IQBAL, "Table 4", "0.972", 0.972, "verified-5-fold", "test"),
        ("noisy-labels-iqbal", "map@3", "", IQBAL, "Table 5", "0.953", 0.953, "official-test", "none"),
        ("noisy-labels-iqbal-4-models", "map@3/public", "", IQBAL, "Table 5", "0.956", 0.956, "official-test", "none"),
        ("ntu-label-verification-m6", "map@3/private", "", NTU, "Table 3", "0.932", 0.932, "official-test", "none"),
        ("ntu-label-verification-m1-m3", "map@3/public", "", NTU, "Table 3", "0.951", 0.951, "official-test", "test"),
        ("ntu-label-verification", "map@3/private", "", NTU, "text", "0.9496", 0.9496, "official-test", "none"),
        (f"{VERIFIER}-2", "map@3/private", "", NTU, "text", "0.9284", 0.9284, "official-test", "none"),
        ("raw-mel-joint-lederle", "map@3", "", LEDERLE, "Table 3", "0.948", 0.948, "official-test", "none"),
        (
            "raw-mel-joint-lederle-audio-3s",
            "map@3/private",
            "",
            LEDERLE,
            "Table 3",
            "0.889",
            0.889,
            "official-test",
            "none",
        ),
        ("raw-mel-joint-lederle", "map@3", "Squeak", LEDERLE, "Table 4", "0.603", 0.603, "official-test", "none"),
        (FIVE_CNNS, "map@3/private", "", WILKINGHOFF, "text", "0.9414", 0.9414, "official-test", "none"),
        (FIVE_CNNS, "map@3", "Squeak", WILKINGHOFF, "text", "0.511", 0.511, "official-test", "none"),
        (
            "cnn14-finetuned",
            "accuracy",
            "",
            README,
            "Fine-tuned Classification Models",
            "93.56",
            0.9356,
            "official-test",
            "test",
        ),
    ],
)
def test_cells_read_from_the_sources(system, metric, class_name, source, table, printed, value, protocol, selection):
    row = _find(system, metric, source, table, class_name)
    assert (row.printed, row.value, row.protocol, row.selection) == (printed, value, protocol, selection)
