"""What the jobs image installs while it is built, where no other service is: `python -m deploy.engines`."""

from deploy.engines.install import install

if __name__ == "__main__":
    install()
