"""One function per picture of a study: the data of a picture and its drawing are apart."""
