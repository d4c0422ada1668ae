"""The errors a person may see: each says what is wrong, where, and what to do next."""


class ZhijianError(Exception):
    """Anything Zhijian refuses; its text is one complete message for a person."""


class ConfigError(ZhijianError):
    """A key, value or group under conf/ (or on the command line) is wrong."""


class DataError(ZhijianError):
    """A table, file or column that came from outside is wrong."""


class BundleError(ZhijianError):
    """A bundle is missing, torn or does not match its manifest."""


class RequestError(ZhijianError):
    """A request names a field whose value can't be served.

    Attributes:
        field: the field of the request that is wrong, as the caller wrote it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
