from collections import defaultdict
from itertools import count
from typing import NamedTuple

import numpy as np
import pytest

from core.knowledge.questions import build_questions
from core.knowledge.tokens import number, weigh


class Vote(NamedTuple):
    votes: float
    share: float


ASKED = [
    (0, 0, "怎么退货？"),
    (0, 0, "退货流程是什么"),
    (1, 1, "怎么开发票？"),
    (1, 1, "发票在哪里申请"),
    (2, 2, "怎么注册账号？"),
    (3, 3, "保修多久？"),
]


def vote(asked, question, allowed=None):
    vocabulary = defaultdict(count().__next__)
    weighed = [(passage, answer, weigh(text)) for passage, answer, text in asked]
    index = build_questions(weighed, vocabulary)
    mask = np.array([allowed is None or passage in allowed for passage, _, _ in asked])
    ballot = index.vote(number(weigh(question), vocabulary), mask)
    return {passage: Vote(votes, ballot.share[passage]) for passage, votes in ballot.votes.items()}


def test_the_same_question_has_nearly_all_votes():
    ballots = vote(ASKED, "怎么退货？")
    assert ballots[0].share > 0.9
    assert ballots[0].votes == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("question", ["请问怎样退货呀", "如何退货", "怎麼退貨"])
def test_the_way_of_asking_hardly_matters(question):
    assert vote(ASKED, question)[0].share > 0.8


def test_questions_about_something_else_have_hardly_a_vote():
    assert all(ballot.share < 0.2 for ballot in vote(ASKED, "怎么做红烧肉").values())
    assert vote(ASKED, "weather") == {}
    assert vote(ASKED, "") == {}


def test_a_word_that_no_question_has_speaks_against_all():
    asked = [(0, 0, "客服几点上班")]
    assert vote(asked, "医院几点上班")[0].share < vote(asked, "几点上班")[0].share


def test_an_answer_that_others_compete_with_is_less_sure():
    alone = vote([(0, 0, "壶盖多少钱")], "壶盖多少钱")[0]
    beside = vote([(0, 0, "壶盖多少钱"), (1, 1, "壶盖多少钱一个")], "壶盖多少钱")[0]
    assert beside.share < alone.share


def test_passages_with_the_same_answer_do_not_compete():
    same = vote([(0, 0, "壶盖多少钱"), (1, 0, "壶盖多少钱一个")], "壶盖多少钱")
    assert same[0].share == same[1].share > 0.9


def test_several_questions_that_lead_to_an_answer_make_it_surer():
    apart = [(0, 0, "退款多久到账"), (1, 1, "退款几天能到")]
    together = [(0, 0, "退款多久到账"), (0, 0, "退款几天能到")]
    question = "退款多久能到账"
    assert vote(together, question)[0].share > vote(apart, question)[0].share


def test_passages_that_are_not_allowed_have_no_vote():
    assert set(vote(ASKED, "怎么退货？", allowed={1, 2})) <= {1, 2}
