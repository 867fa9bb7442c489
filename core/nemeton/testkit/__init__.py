"""For tests of extensions: a pytest plugin with fixtures, and per extension point a suite of promises to subclass.

The fixtures `nemeton_extensions` and `nemeton_cluster` are there wherever nemeton is installed. A suite is a class of
tests; a test module subclasses it and overrides the fixtures that say what is tested::

    from nemeton.testkit.suites.deep_storage import DeepStorageSuite

    class TestPromises(DeepStorageSuite):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyDeepStorage(MyConfig(tmp_path))
"""
