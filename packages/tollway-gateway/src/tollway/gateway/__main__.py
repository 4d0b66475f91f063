"""`python -m tollway.gateway` is the `tollway` command."""

from tollway.gateway.cli import main

if __name__ == "__main__":
    main()
