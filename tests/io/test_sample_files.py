"""Samples of the user's own: what is read how, and what is refused in which words."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mlphys.errors import UserError
from mlphys.io import sample_files
from mlphys.io.csv_table import Cells
from mlphys.io.sample_files import Expected
from mlphys.schema.data import Frame
from mlphys.schema.units import Units

BYTES = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # an image, 3 high and 4 wide
PIXELS = (BYTES / np.float32(255)).reshape(1, 3, 4, 1)
GREY = Expected((3, 4, 1), 0.0, 1.0)
VECTOR = Expected((3,), -1.0, 1.0)
FLOWERS = Expected((2,), 0.0, 8.0, Cells(("length", "width")), targets=("species",))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(name, expected, **options):
    from pathlib import Path

    return sample_files.read(Path(name), expected, **options)


def refusal(name, expected, **options) -> str:
    with pytest.raises(UserError) as error:
        read(name, expected, **options)
    return str(error.value)


def test_an_image_an_array_of_bytes_and_one_of_fractions_are_the_same_sample():
    Image.fromarray(BYTES).save("a.png")
    np.save("bytes.npy", BYTES)
    np.save("fractions.npy", BYTES / 255)
    np.savez("a.npz", one=BYTES)
    np.savetxt("a.csv", (BYTES / np.float32(255)).reshape(1, -1), delimiter=";")
    for name in ("a.png", "bytes.npy", "fractions.npy", "a.npz", "a.csv"):
        x = read(name, GREY)
        assert (x.dtype, x.shape) == (np.float32, (1, 3, 4, 1))
        assert np.array_equal(x, PIXELS), name


@pytest.mark.parametrize("shape", [(5, 3, 4, 1), (5, 3, 4), (5, 12)])
def test_samples_may_lack_their_one_channel_or_be_flat(shape):
    values = np.linspace(0, 1, 60, dtype=np.float32)
    np.save("a.npy", values.reshape(shape))
    assert np.array_equal(read("a.npy", GREY), values.reshape(5, 3, 4, 1))


def test_of_a_vector_one_sample_needs_no_first_axis():
    np.save("a.npy", [0.5, 0, -0.5])
    assert read("a.npy", VECTOR).tolist() == [[0.5, 0, -0.5]]


def test_where_a_sample_is_one_number_each_number_is_a_sample():
    np.save("a.npy", np.array([0.5, 1.0]))
    assert read("a.npy", Expected((1,), 0.0, 1.0)).tolist() == [[0.5], [1.0]]


def test_an_array_x_is_taken_among_others_and_others_are_not():
    np.savez("a.npz", x=PIXELS, y=np.arange(3))
    assert np.array_equal(read("a.npz", GREY), PIXELS)
    np.savez("b.npz", u=PIXELS, v=PIXELS)
    assert refusal("b.npz", GREY) == "b.npz: expected an array x, or one array alone; received u, v"


def test_invert_turns_black_into_white():
    np.save("a.npy", BYTES)
    assert np.array_equal(read("a.npy", GREY, invert=True), 1 - PIXELS)
    assert refusal_for_numbers().endswith("trained on samples that are no images; leave it out")


def refusal_for_numbers() -> str:
    np.save("v.npy", np.zeros((1, 3)))
    return refusal("v.npy", VECTOR, invert=True)


def test_pixels_have_the_scale_of_the_training_images():
    of_bytes = Expected((3, 4, 1), 0.0, 255.0)
    Image.fromarray(BYTES).save("a.png")
    np.save("a.npy", BYTES)
    for name in ("a.png", "a.npy"):
        assert np.allclose(read(name, of_bytes)[0, ..., 0], BYTES, atol=1e-4)
    assert np.allclose(read("a.png", of_bytes, invert=True)[0, ..., 0], 255.0 - BYTES, atol=1e-4)
    assert refusal("a.png", Expected((3, 4, 1), -1.0, 1.0)) == (
        "a.png: an image's pixels go from 0 to 1, and the network was trained on values from -1 to 1; "
        "give pixels on that scale as npy"
    )


def test_a_run_that_has_not_kept_its_range_takes_pixels_from_0_to_1():
    Image.fromarray(BYTES).save("a.png")
    assert np.array_equal(read("a.png", Expected((3, 4, 1))), PIXELS)


def test_an_image_of_another_size_is_scaled_only_when_asked_to():
    Image.fromarray(np.full((30, 20), 51, np.uint8)).save("a.png")
    assert refusal("a.png", GREY) == "a.png: expected 3 x 4 pixels; received 30 x 20; --resize scales it"
    assert np.allclose(read("a.png", GREY, resize=True), np.full((1, 3, 4, 1), 0.2))


def test_where_training_cut_out_the_middle_a_scaled_image_is_cut_too_and_one_of_the_right_size_is_not():
    image = np.full((30, 20), 255, np.uint8)
    image[12:18, 6:14] = 51  # the middle 6 x 8
    Image.fromarray(image).save("a.png")
    Image.fromarray(BYTES).save("b.png")
    cropped = Expected((3, 4, 1), 0.0, 1.0, crop=(6, 8))
    assert np.allclose(read("a.png", cropped, resize=True), np.full((1, 3, 4, 1), 0.2))
    assert np.array_equal(read("b.png", cropped, resize=True), PIXELS)  # smaller than the part: it is one
    whole = Expected((30, 20, 1), 0.0, 1.0, crop=(6, 8))  # images of training had the size of samples before the cut
    assert np.allclose(read("a.png", whole, resize=True), np.full((1, 30, 20, 1), 0.2))
    assert refusal("a.png", cropped).endswith("received 30 x 20; --resize scales its middle as those of training were")
    too_large = refusal("a.png", Expected((3, 4, 1), 0.0, 1.0, crop=(31, 8)), resize=True)
    assert "its size is [30, 20], smaller than the part [31, 8] that is cut out" in too_large


def test_a_training_image_of_too_many_pixels_is_refused_before_it_is_scaled_to():
    Image.fromarray(BYTES).save("a.png")
    expected = Expected((5001, 5000, 1), 0.0, 1.0)
    message = "a.png: 5001 x 5000 pixels are more than 25,000,000 values; give them as npy"
    assert refusal("a.png", expected, resize=True) == message


def test_a_colour_image_becomes_what_the_network_takes():
    Image.new("RGB", (4, 3), (255, 0, 0)).save("a.png")
    assert np.array_equal(read("a.png", Expected((3, 4, 3), 0.0, 1.0))[0, 0, 0], [1, 0, 0])
    assert np.allclose(read("a.png", GREY), 0.299, atol=0.002)


def test_columns_are_picked_by_the_names_of_the_training_table():
    with open("a.csv", "w") as file:
        file.write("width,note,species,length\n1,old,rosa,2\n3,new,rosa,4\n")
    assert read("a.csv", FLOWERS).tolist() == [[2, 1], [4, 3]]


def test_a_table_without_names_is_taken_in_its_order():
    with open("a.csv", "w") as file:
        file.write("1,2\n3,4\n")
    assert read("a.csv", FLOWERS).tolist() == [[1, 2], [3, 4]]


def test_where_the_features_have_no_names_all_columns_but_the_targets_are_taken():
    with open("a.csv", "w") as file:
        file.write("a,species,b\n1,9,2\n")
    assert read("a.csv", Expected((2,), 0.0, 8.0, targets=("species",))).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv: no samples: the file is empty"),
        ("length,width\n", "a.csv: no samples in it"),
        ("length,widht\n1,2\n", "a.csv: no column width, a feature of the run; did you mean widht? "
         "(columns: length, widht)"),
        ("length,width,width\n1,2,3\n", "a.csv: 2 columns are called width; rename one"),
        ("1,2\n3\n", "a.csv:2: 1 cells, but the first line has 2"),
        ("1,2\n3,x\n", "a.csv:2: column 2: expected a finite number; received 'x'"),
        ("length,width\n1,2\n3,\n", "a.csv:3: width: the cell is empty"),
        ("1,2,3\n", "a.csv: has the shape (1, 3); expected (samples, 2)"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_refused_with_its_place(text, message):
    with open("a.csv", "w") as file:
        file.write(text)
    assert refusal("a.csv", FLOWERS) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((1, 3, 4), 200.0), "values from 200 to 200; the network was trained on values from 0 to 1; "
         "divide them by 255"),
        (np.full((1, 3, 4), 300.0), "values from 300 to 300; the network was trained on values from 0 to 1; "
         "bring them to the scale of the training samples"),
        (np.full((1, 3, 4), -300.0), "values from -300 to -300; the network was trained on values from 0 to 1; "
         "bring them to the scale of the training samples"),
        (np.where(np.arange(24).reshape(2, 3, 4) == 17, np.nan, 0.5), "1 values are NaN, infinite or beyond float32, "
         "the first in sample 1 at [1, 1, 0]; replace them, or leave these samples out"),
        (np.full((3, 4), 1e300), "12 values are NaN, infinite or beyond float32, the first in sample 0 at [0, 0, 0]; "
         "replace them, or leave these samples out"),
        (np.zeros((2, 4, 3)), "has the shape (2, 4, 3); expected (samples, 3, 4, 1), or (samples, 12)"),
        (np.zeros((0, 3, 4)), "no samples in it"),
        (np.zeros((3, 4), complex), "holds complex128; expected real numbers"),
    ],
)  # fmt: skip
def test_values_and_shapes_that_do_not_fit_are_refused(values, message):
    np.save("a.npy", values)
    assert refusal("a.npy", GREY) == f"a.npy: {message}"


def test_values_up_to_one_width_outside_of_the_training_range_are_taken():
    np.save("a.npy", np.array([-1.0, 0.5, 2.0]))
    assert read("a.npy", Expected((3,), 0.0, 1.0)).tolist() == [[-1, 0.5, 2]]


def test_objects_in_an_npy_file_are_not_unpickled_and_claims_are_compared():
    np.save("a.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert refusal("a.npy", GREY) == "a.npy: holds Python objects, not numbers; save it again with np.save"
    np.save("b.npy", PIXELS)
    with open("b.npy", "r+b") as file:
        file.truncate(140)
    assert refusal("b.npy", GREY) == (
        "b.npy: claims the shape (1, 3, 4, 1) of float32, which is not what the file holds; save it again with np.save"
    )
    with open("c.npy", "wb") as file:
        file.write(b"no array")
    assert refusal("c.npy", GREY).startswith("c.npy: not an npy file, or a damaged one: ")


def test_what_is_no_sample_is_distinguished_by_its_ending():
    assert refusal("a.txt", GREY) == (f"a.txt: unknown file extension; allowed {', '.join(sample_files.ENDINGS)}")
    Image.fromarray(BYTES).save("a.png")
    assert refusal("a.png", VECTOR) == (
        "a.png: is an image, and the network was trained on samples of 3 numbers; give those as npy, npz or csv"
    )
    assert refusal("nowhere.npy", GREY).startswith("nowhere.npy: no such file; ")


@pytest.mark.parametrize(
    ("units", "values"),
    [
        (Units("float64", 3.0, given=True), np.array([[3.0, -1.5, 0]])),
        (Units("float64", offset=(2459000.0, 0.0, 0.0)), np.array([[2459001.0, -0.5, 0]])),
        (Units("uint8", 3.0, given=True), np.array([[3, 0, 0]], np.uint8)),
    ],
)
def test_another_file_is_read_as_the_training_file_was(units, values):
    expected = Expected((3,), -1.0, 1.0, units=units)
    np.save("a.npy", values)
    np.savez("a.npz", values=values)
    np.savetxt("a.csv", values, delimiter=",", fmt="%.17g")
    for name in ("a.npy", "a.npz", "a.csv"):
        assert np.allclose(read(name, expected), [[1, -0.5 if values[0, 1] else 0, 0]]), name


def test_samples_have_the_name_that_they_had_in_training():
    np.savez("a.npz", spins=np.ones((1, 3)), x=np.zeros((1, 3)))
    assert read("a.npz", Expected((3,), 0.0, 1.0, array="spins")).tolist() == [[1, 1, 1]]
    assert read("a.npz", Expected((3,), 0.0, 1.0)).tolist() == [[0, 0, 0]]


CELLS = Cells(("mass", "detector"), {"detector": ("H1", "L1")}, ("-9999",))


def test_a_table_is_read_with_the_categories_and_the_means_of_training():
    expected = Expected((3,), 0.0, 9.0, CELLS, units=Units("float64", fill=(4.0, 0.5, 0.5)))
    with open("a.csv", "w") as file:
        file.write("detector;mass\nL1;1,5\nH1;-9999\n?;\n")
    assert read("a.csv", expected).tolist() == [[1.5, 0, 1], [4, 1, 0], [4, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("2,V1", "a.csv:2: detector: V1 is none of its categories (H1, L1)"),
        (",H1", "a.csv:2: mass: the cell is empty"),
        ("-9999.0,H1", "a.csv:2: mass: -9999.0 is a missing value"),
        ("up,H1", "a.csv:2: mass: expected a finite number; received 'up'"),
    ],
)
def test_cells_that_training_did_not_know_are_refused(row, text):
    with open("a.csv", "w") as file:
        file.write(f"mass,detector\n{row}\n")
    assert refusal("a.csv", Expected((3,), 0.0, 9.0, CELLS)) == text


def test_a_signalling_nan_is_refused_as_not_finite_without_a_warning():
    signalling = np.frombuffer(bytes([1, 0, 0, 0, 0, 0, 0xF4, 0x7F]) * 3, "<f8")
    np.save("a.npy", signalling.reshape(1, 3))
    assert "3 values are NaN, infinite or beyond float32" in refusal("a.npy", VECTOR)


def test_a_photograph_without_ink_is_refused_with_what_helps():
    Image.fromarray(np.full((40, 40), 250, np.uint8)).save("paper.png")
    written = Expected((28, 28, 1), 0.0, 1.0, frame=Frame(size=28, box=20))
    assert refusal("paper.png", written) == (
        "paper.png: no ink on it; photograph it nearer, or give a sample with --as-is"
    )
