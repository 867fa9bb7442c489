"""What modules can say, and what the injector makes of it (Guice's and Druid's rules)."""

import threading
from abc import ABC, abstractmethod
from typing import Annotated

import pytest
from attrs import define, frozen

from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.inject import Binder, InjectionError, Injector, Module, Named, Provider, Scope, override
from nemeton.lifecycle import Lifecycle, Stage, lifecycle_start, lifecycle_stop


class Engine:
    pass


@define
class Car:
    engine: Engine


class Garage(ABC):
    @abstractmethod
    def size(self) -> int: ...


class Small(Garage):
    def size(self) -> int:
        return 1


class Large(Garage):
    def __init__(self, car: Car):
        self.car = car

    def size(self) -> int:
        return 100


def module(configure):
    """A module made of one function."""
    return type(configure.__name__, (Module,), {"configure": lambda _self, binder: configure(binder)})()


def injector(configure, properties=None, **more):
    return Injector([module(configure)], configurator=JsonConfigurator(Properties(properties or {})), **more)


def test_constructor_injection_by_annotation_makes_singletons():
    def cars(binder: Binder):
        binder.bind(Engine)
        binder.bind(Car)

    made = injector(cars)
    assert made.get(Car) is made.get(Car)
    assert made.get(Car).engine is made.get(Engine)


def test_unscoped_bindings_are_made_anew():
    def cars(binder: Binder):
        binder.bind(Engine, scope=Scope.UNSCOPED)

    made = injector(cars)
    assert made.get(Engine) is not made.get(Engine)


def test_lazy_singletons_wait_and_eager_ones_do_not():
    made = []

    def things(binder: Binder):
        binder.bind(Engine, provider=lambda: made.append("lazy") or Engine())
        binder.bind(Garage, provider=lambda: made.append("eager") or Small(), eager=True)

    inject = injector(things)
    assert made == ["eager"]
    inject.get(Engine)
    assert made == ["eager", "lazy"]


def test_names_tell_bindings_of_one_type_apart():
    @frozen
    class Both:
        first: Annotated[int, Named("first")]
        second: Annotated[int, Named("second")]

    def numbers(binder: Binder):
        binder.bind(int, name="first", instance=1)
        binder.bind(int, name="second", instance=2)
        binder.bind(Both)

    assert injector(numbers).get(Both) == Both(1, 2)


def test_provider_functions_get_their_parameters_injected():
    def make(engine: Engine) -> Car:
        return Car(engine)

    def cars(binder: Binder):
        binder.bind(Engine)
        binder.bind(Car, provider=make)

    made = injector(cars)
    assert made.get(Car).engine is made.get(Engine)


def test_a_parameter_with_a_default_is_injected_only_if_bound():
    class Optional:
        def __init__(self, engine: Engine | None = None, size: int = 3):
            self.engine, self.size = engine, size

    assert injector(lambda binder: binder.bind(Optional)).get(Optional).engine is None

    def bound(binder: Binder):
        binder.bind(Engine)
        binder.bind(Optional)

    assert injector(bound).get(Optional).engine is not None


def test_a_choice_is_made_by_property_and_else_by_default():
    def garages(binder: Binder):
        binder.bind_choice(Garage, "druid.garage.type", default="small")
        binder.add_choice(Garage, "small", Small)
        binder.add_choice(Garage, "large", Large)
        binder.bind(Engine)
        binder.bind(Car)

    assert injector(garages).get(Garage).size() == 1
    assert injector(garages, {"druid.garage.type": "large"}).get(Garage).size() == 100


def test_a_choice_that_is_not_made_follows_another_where_it_can():
    def garages(binder: Binder):
        binder.bind_choice(Garage, "druid.garage.type", default="small", follows="druid.house.type")
        binder.add_choice(Garage, "small", Small)
        binder.add_choice(Garage, "large", Large)
        binder.bind(Engine)
        binder.bind(Car)

    assert injector(garages, {"druid.house.type": "large"}).get(Garage).size() == 100
    assert injector(garages, {"druid.house.type": "castle"}).get(Garage).size() == 1
    both = {"druid.house.type": "large", "druid.garage.type": "small"}
    assert injector(garages, both).get(Garage).size() == 1


def test_an_unknown_choice_names_property_value_and_possible_values():
    def garages(binder: Binder):
        binder.bind_choice(Garage, "druid.garage.type")
        binder.add_choice(Garage, "small", Small)

    with pytest.raises(ConfigurationError, match=r"druid\.garage\.type\]: \[huge\].*Garage.*\['small'\]"):
        injector(garages, {"druid.garage.type": "huge"})
    with pytest.raises(ConfigurationError, match=r"druid\.garage\.type\].*must be set, to one of \['small'\]"):
        injector(garages)


def test_sets_and_maps_collect_from_many_modules_and_parents():
    class Holder:
        def __init__(self, garages: list[Garage], by_name: dict[str, Garage]):
            self.garages, self.by_name = garages, by_name

    def one(binder: Binder):
        binder.bind_set(Garage).add(Small)
        binder.bind_map(Garage).add("s", Small)

    def two(binder: Binder):
        binder.bind_set(Garage).add(instance=Small())
        binder.bind_map(Garage).add("l", provider=lambda: Small())
        binder.bind(Holder)

    holder = Injector([module(one), module(two)]).get(Holder)
    assert [g.size() for g in holder.garages] == [1, 1]
    assert list(holder.by_name) == ["s", "l"]
    child = Injector([module(two)], parent=Injector([module(one)])).get(Holder)
    assert len(child.garages) == 2
    assert list(child.by_name) == ["s", "l"]


def test_two_entries_of_one_name_are_an_error():
    def twice(binder: Binder):
        binder.bind_map(Garage).add("s", Small)
        binder.bind_map(Garage).add("s", Small)

    with pytest.raises(InjectionError, match='Entry "s".*bound twice'):
        injector(twice)


def test_a_missing_binding_names_key_asker_and_chain():
    def cars(binder: Binder):
        binder.bind(Garage, to=Large)
        binder.bind(Car)

    with pytest.raises(InjectionError) as raised:
        injector(cars)
    text = str(raised.value)
    assert "Nothing binds Engine" in text
    assert "Car" in text
    assert "Garage -> Car -> Engine" in text


def test_a_cycle_is_shown_as_a_cycle_and_a_provider_breaks_it():
    def needs(kind, of):
        def __init__(self, other):
            self.other = other

        __init__.__annotations__ = {"other": of}
        return type(kind, (), {"__init__": __init__})

    class A:
        pass

    class B:
        pass

    needs_b, needs_a = needs("NeedsB", B), needs("NeedsA", A)

    def cycle(binder: Binder):
        binder.bind(A, to=needs_b)
        binder.bind(B, to=needs_a)

    with pytest.raises(InjectionError, match=r"A -> .*B -> .*A"):
        injector(cycle)

    lazily = needs("LazilyA", Provider[A])

    def broken(binder: Binder):
        binder.bind(A, to=needs_b)
        binder.bind(B, to=lazily)

    made = injector(broken)
    assert made.get(B).other() is made.get(A)


def test_a_double_binding_names_both_sources():
    def first(binder: Binder):
        binder.bind(Engine)

    def second(binder: Binder):
        binder.bind(Engine)

    with pytest.raises(InjectionError, match=r"Engine is bound twice: by first .* and by second"):
        Injector([module(first), module(second)])


def test_a_module_class_is_installed_once():
    class Cars(Module):
        def configure(self, binder: Binder) -> None:
            binder.bind(Engine)

    class More(Module):
        def configure(self, binder: Binder) -> None:
            binder.install(Cars())

    assert Injector([Cars(), More(), Cars()]).get(Engine)


def test_all_faults_are_told_at_once():
    def faulty(binder: Binder):
        binder.bind(Car)
        binder.bind(Garage, to=Large)
        binder.bind(Garage, to=Small)

    with pytest.raises(InjectionError) as raised:
        injector(faulty)
    assert len(raised.value.problems) == 2


@frozen
class PumpConfig:
    capacity: int = 5
    hose_length: int = 7


def test_config_is_bound_and_its_faults_stop_the_injector():
    def pumps(binder: Binder):
        binder.bind_config("druid.pump", PumpConfig)

    def more(binder: Binder):
        pumps(binder)
        binder.bind_choice(Garage, "druid.garage.type")

    assert injector(pumps, {"druid.pump.hoseLength": "9"}).get(PumpConfig) == PumpConfig(5, 9)
    with pytest.raises(ConfigurationError, match=r"druid\.pump\.capacity.*integer"):
        injector(pumps, {"druid.pump.capacity": "many"})
    with pytest.raises(ConfigurationError) as raised:
        injector(more, {"druid.pump.capacity": "many", "druid.garage.type": "huge"})
    assert [problem.property for problem in raised.value.problems] == ["druid.garage.type", "druid.pump.capacity"]


def test_children_see_their_parents_and_roles_do_not_see_each_other():
    parent = injector(lambda binder: binder.bind(Engine))
    one = Injector([module(lambda binder: binder.bind(Car))], parent=parent)
    two = Injector([module(lambda binder: binder.bind(Car))], parent=parent)
    assert one.get(Car) is not two.get(Car)
    assert one.get(Car).engine is two.get(Car).engine is parent.get(Engine)
    with pytest.raises(InjectionError, match="Nothing binds Car"):
        parent.get(Car)


def test_create_builds_what_is_not_bound():
    made = injector(lambda binder: binder.bind(Engine))
    assert made.create(Car).engine is made.get(Engine)
    other = Engine()
    assert made.create(Car, engine=other).engine is other
    with pytest.raises(InjectionError, match=r"Large cannot be made: nothing binds Car"):
        made.create(Large)


def test_override_replaces_bindings_for_tests():
    def real(binder: Binder):
        binder.bind(Garage, to=Large)
        binder.bind(Car)
        binder.bind(Engine)

    def fake(binder: Binder):
        binder.bind(Garage, to=Small)

    assert Injector(override([module(real)], with_=[module(fake)])).get(Garage).size() == 1


def test_managed_instances_join_the_lifecycle_dependencies_first():
    events = []

    class Store:
        @lifecycle_start
        def begin(self):
            events.append("store")

        @lifecycle_stop
        def end(self):
            events.append("store ends")

    class Queue:
        def __init__(self, store: Store):
            self.store = store

        def start(self):
            events.append("queue")

        def close(self):
            events.append("queue ends")

    lifecycle = Lifecycle("role")

    def parts(binder: Binder):
        binder.bind(Lifecycle, instance=lifecycle)
        binder.bind(Queue)
        binder.bind(Store)
        binder.manage_lifecycle(Queue, stage=Stage.NORMAL)
        binder.manage_lifecycle(Store, stage=Stage.NORMAL)

    injector(parts)
    lifecycle.start()
    lifecycle.stop()
    assert events == ["store", "queue", "queue ends", "store ends"]


def test_singletons_are_made_once_by_many_threads():
    made = []

    def slow() -> Engine:
        made.append(1)
        return Engine()

    inject = injector(lambda binder: binder.bind(Engine, provider=slow))
    gate = threading.Barrier(8)
    got = []

    def ask():
        gate.wait(10)
        got.append(inject.get(Engine))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert len(set(map(id, got))) == 1
