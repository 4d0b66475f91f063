"""OpenAI's chat into services' own dialects and back; see `tollway.provider.translators`."""
