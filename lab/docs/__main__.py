"""`python -m lab.docs` writes all tables, drawings and the site's front page."""

from lab.docs import write_all

if __name__ == "__main__":
    write_all()
