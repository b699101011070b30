"""Tables of a MariaDB or MySQL database as a system."""
