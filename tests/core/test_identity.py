"""Worker names."""

from core.identity import worker_name


def test_a_name_is_free_again_when_its_holder_is_gone(tmp_path):
    with worker_name(tmp_path) as first:
        pass
    with worker_name(tmp_path) as again:
        assert again == first


def test_two_workers_of_one_folder_have_two_names(tmp_path):
    with worker_name(tmp_path) as one, worker_name(tmp_path) as two:
        assert one != two
