"""What happens is told to those who listen, and to nobody else."""

from fastcheck.execution import Execution
from fastcheck.progress.events import is_anybody_listening, listening, tell, unheard


class Ear:
    def __init__(self):
        self.heard = []

    def hear(self, kind, fields):
        self.heard.append((kind, fields))


def test_all_who_listen_hear_and_nobody_afterwards():
    first, second = Ear(), Ear()
    tell("before")
    with listening(first):
        tell("one", of=1)
        with listening(second):
            tell("both")
        with unheard():
            assert not is_anybody_listening()
            tell("a part")
        assert is_anybody_listening()
    tell("after")
    assert first.heard == [("one", {"of": 1}), ("both", {})]
    assert second.heard == [("both", {})]
    assert not is_anybody_listening()


def test_what_workers_lose_is_told_with_the_reason():
    with listening(ear := Ear()):
        Execution()._tell_of_losses("W1[{}]".format)(3, "it ended: SIGKILL(-9)")
    assert ear.heard == [("fault", {"evaluating": "W1[3]", "reason": "it ended: SIGKILL(-9)"})]
