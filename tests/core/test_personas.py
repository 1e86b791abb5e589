"""The cast of personas, and how changes go live."""

import pytest
from company import WORDS, found_company, write_persona

from config.errors import ConfigError
from core.messages import Address
from core.personas import Personas


@pytest.fixture
def company(tmp_path):
    return found_company(tmp_path)


@pytest.fixture
def personas(company):
    cast = Personas(company / "personas", company / "words")
    cast.load()
    return cast


def change(path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def who(personas: Personas, channel: str, account: str) -> str:
    return personas.route(Address(channel, account, "c", "u")).persona.id


def test_the_closest_claim_wins(company):
    write_persona(company, "web", "W", "web")
    write_persona(company, "repairs", "R", '"web:repairs"')
    cast = Personas(company / "personas", company / "words")
    cast.load()
    assert who(cast, "web", "repairs") == "repairs"
    assert who(cast, "web", "main") == "web"
    assert who(cast, "telegram", "bot") == "shop"


def test_a_part_of_an_account_can_be_claimed_before_the_account(company):
    write_persona(company, "shopdesk", "S", '"wecom-kf:main"')
    write_persona(company, "repairs", "R", '"wecom-kf:main/wkBBB"')
    cast = Personas(company / "personas", company / "words")
    cast.load()
    assert who(cast, "wecom-kf", "main/wkAAA") == "shopdesk"
    assert who(cast, "wecom-kf", "main/wkBBB") == "repairs"
    assert who(cast, "wecom-kf", "other/wkBBB") == "shop"


def test_the_persona_of_an_accounts_settings_gives_way_to_who_claims_a_part_of_it(company):
    write_persona(company, "web", "W", '"wecom-kf:main"')
    write_persona(company, "repairs", "R", '"wecom-kf:main/wkBBB"')
    assigned = {("wecom-kf", "main"): "shop"}
    cast = Personas(company / "personas", company / "words", assigned)
    cast.load()
    assert who(cast, "wecom-kf", "main/wkAAA") == "shop"
    assert who(cast, "wecom-kf", "main/wkBBB") == "repairs"


def test_a_persona_is_found_by_its_file_and_by_its_name(personas):
    assert personas.find("shop") is personas.find("小Q")
    assert personas.find("nobody") is None


def test_a_start_without_anybody_for_the_rest_is_refused(company):
    write_persona(company, channels="web")
    with pytest.raises(ConfigError, match=r'channels: \["\*"\]'):
        Personas(company / "personas", company / "words").load()


def test_a_change_is_taken_over_and_changes_the_version(company, personas):
    before = personas.find("shop").persona.version
    change(company / "personas/shop.yaml", "请拨打热线", "请写信")
    personas.reload()
    assert personas.find("shop").persona.sentence("handoff", "zh") == "请写信"
    assert personas.find("shop").persona.version != before
    assert personas.problems == ()


def test_a_broken_file_leaves_its_last_good_version_and_lets_others_change(company, personas):
    write_persona(company, "repairs", "R", '"web:repairs"')
    personas.reload()
    change(company / "personas/shop.yaml", "tone: polite", "tonne: polite")
    write_persona(company, "repairs", "New", '"web:repairs"')
    personas.reload()
    assert personas.find("shop").persona.card.tone == "polite"
    assert personas.find("repairs").persona.card.name == "New"
    assert "shop.yaml:" in personas.problems[0]


def test_a_removed_file_removes_its_persona(company, personas):
    path = write_persona(company, "repairs", "R", '"web:repairs"')
    personas.reload()
    path.unlink()
    personas.reload()
    assert personas.find("repairs") is None
    assert who(personas, "web", "repairs") == "shop"


def test_a_conflict_between_files_changes_nothing(company, personas):
    write_persona(company, "second", "Second", '"*"')
    personas.reload()
    assert personas.find("second") is None
    assert "both claim" in personas.problems[0]


def test_new_words_are_in_force_after_a_reload(company, personas):
    assert not personas.find("shop").matcher.filter("小坏蛋").refused
    (company / "words/abuse.yaml").write_text(WORDS.replace("大笨蛋", "大笨蛋, 小坏蛋"))
    personas.reload()
    assert personas.find("shop").matcher.filter("小坏蛋").refused


def test_broken_word_lists_leave_the_last_good_ones(company, personas):
    (company / "words/abuse.yaml").write_text("words: {")
    personas.reload()
    assert personas.find("shop").matcher.filter("大笨蛋").refused
    assert "abuse.yaml" in personas.problems[0]


def test_a_persona_that_names_an_unknown_list_is_refused(company, personas):
    change(company / "personas/shop.yaml", "[abuse]", "[abuze]")
    personas.reload()
    assert personas.find("shop").matcher.filter("大笨蛋").refused
    assert "abuze" in personas.problems[0]


def test_a_fixed_sentence_that_its_own_filter_would_stop_is_refused(company):
    change(company / "personas/shop.yaml", "请拨打热线", "请拨打大笨蛋热线")
    with pytest.raises(ConfigError, match=r"sentences\.handoff\.zh"):
        Personas(company / "personas", company / "words").load()
